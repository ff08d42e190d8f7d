import type Anthropic from "@anthropic-ai/sdk";
import { Command } from "commander";
import { limits } from "../limits.ts";
import type { CredentialUse } from "../protocol/credential-uses.ts";
import type { Page } from "../protocol/page.ts";
import { type At, askServer, withServer } from "./at-server.ts";
import type { ServerDefaults } from "./connection.ts";
import { painter } from "./tree.ts";

export function auditCommand(defaults: ServerDefaults): Command {
  return withServer(
    new Command("audit")
      .description(
        "List what a session has used of credentials: which, toward which host, and what came of it",
      )
      .argument("<session>", "the session's id"),
  )
    .option("--json", "print the list as JSON")
    .action((session: string, { json, ...at }: At & { json?: boolean }) =>
      askServer(at, defaults, async (client) => {
        const uses: CredentialUse[] = [];
        for await (const use of usesOf(client, session)) uses.push(use);
        process.stdout.write(json ? `${JSON.stringify(uses, null, 2)}\n` : table(uses));
      }),
    );
}

/** Oldest first. */
async function* usesOf(client: Anthropic, session: string): AsyncGenerator<CredentialUse> {
  const path = `/v1/sessions/${encodeURIComponent(session)}/audit`;
  const order = { order: "asc", limit: limits.credential_uses_page_max };
  let query: { page?: string } = {};
  for (;;) {
    const { data, next_page } = await client.get<Page<CredentialUse>>(path, {
      query: { ...order, ...query },
    });
    yield* data;
    if (next_page === null) return;
    query = { page: next_page };
  }
}

function table(uses: readonly CredentialUse[]): string {
  if (uses.length === 0) return "no credential was used\n";
  const paint = painter(process.stdout);
  const rows = uses.map(({ created_at, kind, credential_id, resource_id, host, outcome, count }) => [
    `${created_at.slice(0, 19)}Z`,
    kind,
    credential_id ?? resource_id ?? "",
    host,
    String(count),
    outcome,
  ]);
  const head = ["time", "kind", "credential", "host", "times", "outcome"];
  const widths = head.map((name, n) =>
    rows.reduce((width, row) => Math.max(width, row[n]?.length ?? 0), name.length),
  );
  const line = (cells: readonly string[]) =>
    cells.map((cell, n) => (n < cells.length - 1 ? cell.padEnd(widths[n] ?? 0) : cell)).join("  ");
  return [
    paint("dim", line(head)),
    ...rows.map((row, n) => (uses[n]?.outcome.startsWith("sent") ? line(row) : paint("yellow", line(row)))),
    "",
  ].join("\n");
}
