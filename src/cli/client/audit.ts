import { Command } from "commander";
import { limits } from "../../limits.ts";
import type { CredentialUse } from "../../protocol/credential-uses.ts";
import type { Page } from "../../protocol/page.ts";
import { asking } from "./at-server.ts";
import { type ListOptions, pageSize, pagesOf, printList, withList } from "./listed.ts";
import { askOwn } from "./own-routes.ts";
import { sessionId } from "./sessions.ts";

export const auditCommand = (): Command =>
  withList(
    new Command("audit")
      .description(
        "List what a session has used of credentials, newest first: which, toward which host, and what came of it",
      )
      .argument("<session>", "its id, or last"),
  ).action(
    asking(async (client, named: string, options: ListOptions) => {
      const path = `/v1/sessions/${encodeURIComponent(await sessionId(client, named))}/audit`;
      const limit = pageSize(options, limits.credential_uses_page_max);
      const uses = pagesOf((query) =>
        askOwn(client, "/v1/sessions/{session_id}/audit", () =>
          client.get<Page<CredentialUse>>(path, { query: { limit, ...query } }),
        ),
      );
      return printList(uses, options, {
        head: ["time", "kind", "credential", "host", "times", "outcome"],
        row: ({ created_at, kind, credential_id, resource_id, host, outcome, count }) => [
          `${created_at.slice(0, 19)}Z`,
          kind,
          credential_id ?? resource_id ?? "",
          host,
          String(count),
          outcome.startsWith("sent") ? outcome : { text: outcome, style: "yellow" },
        ],
        none: "no credential was used",
      });
    }),
  );
