import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import type { CredentialUse } from "../src/protocol/credential-uses.ts";
import type { Page } from "../src/protocol/page.ts";
import { noteUses } from "../src/resources/credential-uses/note.ts";
import { startCommand } from "./harness/command.ts";
import { testKey } from "./harness/headers.ts";
import { clientOf, startTestServer } from "./harness/server.ts";
import { newSession, prepare } from "./harness/session.ts";

const api = await startTestServer();
after(() => api.close());
let session: string;

before(async () => {
  session = (await newSession(api.client, await prepare(api.client))).id;
  const at = (second: number) => `2026-01-01T10:00:${String(second).padStart(2, "0")}.000Z`;
  await noteUses(api.db, "wrkspc_default", session, [
    {
      id: "vcrd_a",
      kind: "environment_variable",
      host: "api.example.com",
      outcome: "sent 200",
      at: at(1),
      count: 3,
    },
    { id: "sesrsc_b", kind: "repository", host: "github.com", outcome: "sent 401", at: at(2) },
    {
      id: "vcrd_c",
      kind: "mcp",
      host: "\u001b[2Jmcp.example.com\u202e",
      outcome: "host is not allowed",
      at: at(3),
    },
  ]);
});

const list = (query: object) =>
  api.client.get<Page<CredentialUse>>(`/v1/sessions/${session}/audit`, { query });

test("a session's audit is listed in pages, both ways", async () => {
  const { data, next_page } = await list({});
  assert.equal(next_page, null);
  assert.deepEqual(data.at(-1), {
    id: data.at(-1)?.id,
    type: "credential_use",
    session_id: session,
    kind: "environment_variable",
    credential_id: "vcrd_a",
    resource_id: null,
    host: "api.example.com",
    outcome: "sent 200",
    count: 3,
    created_at: "2026-01-01T10:00:01.000000Z",
  });
  assert.match(data[0]?.id ?? "", /^cruse_01/);
  for (const order of ["asc", "desc"] as const) {
    const seen: CredentialUse[] = [];
    let query: object = { limit: 1, order };
    for (;;) {
      const page = await list(query);
      seen.push(...page.data);
      if (page.next_page === null) break;
      query = { limit: 1, order, page: page.next_page };
    }
    assert.deepEqual(order === "desc" ? seen : seen.toReversed(), data);
  }
});

test("of a session that is not there, or whose cursor is another's, nothing is listed", async () => {
  const gone = api.client.get("/v1/sessions/sesn_01none/audit");
  await assert.rejects(gone, { status: 404 });
  const { next_page } = await list({ limit: 1 });
  await assert.rejects(list({ page: next_page, order: "asc" }), { status: 400 });
  const other = (await newSession(api.client, await prepare(api.client))).id;
  const wrong = api.client.get(`/v1/sessions/${other}/audit`, { query: { page: next_page } });
  await assert.rejects(wrong, { status: 400 });
  await assert.rejects(
    clientOf(api.url, "sk-other").get(`/v1/sessions/${session}/audit`),
    Anthropic.AuthenticationError,
  );
});

async function drover(...args: string[]): Promise<{ code: number | null; said: string }> {
  const command = startCommand(args, { DROVER_BASE_URL: api.url, DROVER_API_KEY: testKey });
  const code = await command.ended;
  return { code, said: command.said() };
}

test("the command line shows it as a table, and as JSON", async () => {
  const { code, said } = await drover("audit", session);
  assert.equal(code, 0, said);
  assert.deepEqual(said.split("\n"), [
    "time                  kind                  credential  host                  times  outcome",
    "2026-01-01T10:00:03Z  mcp                   vcrd_c      ?[2Jmcp.example.com?  1      host is not allowed",
    "2026-01-01T10:00:02Z  repository            sesrsc_b    github.com            1      sent 401",
    "2026-01-01T10:00:01Z  environment_variable  vcrd_a      api.example.com       3      sent 200",
    "",
  ]);
  const json = JSON.parse((await drover("audit", session, "--json")).said);
  assert.deepEqual(json, (await list({})).data);
  const empty = (await newSession(api.client, await prepare(api.client))).id;
  assert.deepEqual(await drover("audit", empty), { code: 0, said: "no credential was used\n" });
  assert.deepEqual(await drover("audit", "sesn_01none"), {
    code: 3,
    said: "session sesn_01none not found\n",
  });
});
