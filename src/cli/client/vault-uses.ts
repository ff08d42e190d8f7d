import type Anthropic from "@anthropic-ai/sdk";
import type { CredentialUseSummary } from "../../protocol/credential-uses.ts";
import type { Page } from "../../protocol/page.ts";
import { type ListOptions, pageSize, pagesOf, printList } from "./listed.ts";
import { askOwn } from "./own-routes.ts";
import { ago } from "./table.ts";

/** Prints where a credential was used. */
export function printUses(client: Anthropic, vault: string, credential: string, options: ListOptions) {
  const path = `/v1/vaults/${encodeURIComponent(vault)}/credentials/${encodeURIComponent(credential)}/uses`;
  const limit = pageSize(options);
  const uses = pagesOf((query) =>
    askOwn(client, "/v1/vaults/{vault_id}/credentials/{credential_id}/uses", () =>
      client.get<Page<CredentialUseSummary>>(path, { query: { limit, ...query } }),
    ),
  );
  return printList(uses, options, {
    head: ["last", "session", "kind", "host", "times", "outcome of the last"],
    row: ({ last_used_at, session_id, kind, host, count, last_outcome }) => [
      ago(last_used_at),
      session_id,
      kind,
      host,
      String(count),
      last_outcome.startsWith("sent") ? last_outcome : { text: last_outcome, style: "yellow" },
    ],
    none: "it was not used in the last 90 days",
  });
}
