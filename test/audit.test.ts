import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import type { CredentialUse, CredentialUseSummary } from "../src/protocol/credential-uses.ts";
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

test("where a credential was used is listed by credential, what was used last first, and nobody else's", async () => {
  const vault = await api.client.beta.vaults.create({ display_name: "Alice" });
  const made = await api.client.beta.vaults.credentials.create(vault.id, {
    auth: {
      type: "environment_variable",
      secret_name: "TOKEN",
      secret_value: "not-a-real-secret-of-anybody",
      networking: { type: "unrestricted" },
    },
  });
  const path = `/v1/vaults/${vault.id}/credentials/${made.id}/uses`;
  const uses = (query: object = {}) => api.client.get<Page<CredentialUseSummary>>(path, { query });
  assert.deepEqual(await uses(), { data: [], next_page: null });

  const sessions: string[] = [];
  for (const hour of [10, 11]) {
    const { id } = await newSession(api.client, await prepare(api.client));
    sessions.unshift(id);
    const at = (minute: number) => `2026-01-01T${hour}:${minute}:00.000Z`;
    const use = { id: made.id, kind: "environment_variable" as const, host: "api.example.com" };
    await noteUses(api.db, "wrkspc_default", id, [
      { ...use, outcome: "sent 200", at: at(10), count: 2 },
      { ...use, outcome: "sent 401", at: at(20) },
      { ...use, host: "other.example.com", outcome: "host is not allowed", at: at(30) },
    ]);
  }
  const { data } = await uses();
  assert.deepEqual(
    data.map(({ session_id, host, count }) => [session_id, host, count]),
    sessions.flatMap((id) => [
      [id, "other.example.com", 1],
      [id, "api.example.com", 3],
    ]),
  );
  assert.deepEqual(data[1], {
    type: "credential_use_summary",
    credential_id: made.id,
    session_id: sessions[0],
    session_title: null,
    kind: "environment_variable",
    host: "api.example.com",
    count: 3,
    last_outcome: "sent 401",
    first_used_at: "2026-01-01T11:10:00.000000Z",
    last_used_at: "2026-01-01T11:20:00.000000Z",
  });
  const seen: CredentialUseSummary[] = [];
  let page: string | null = null;
  do {
    const next: Page<CredentialUseSummary> = await uses({ limit: 1, ...(page && { page }) });
    seen.push(...next.data);
    page = next.next_page;
  } while (page !== null);
  assert.deepEqual(seen, data);

  const table = await drover("vaults", "uses", "Alice", made.id);
  assert.equal(table.code, 0, table.said);
  assert.match(table.said, /api\.example\.com +3 +sent 401/);
  assert.deepEqual(JSON.parse((await drover("vaults", "uses", vault.id, made.id, "--json")).said), data);

  // The session's log goes, and with it what it says of the credential; the record of an archived one stays.
  await api.client.beta.vaults.credentials.archive(made.id, { vault_id: vault.id });
  await api.client.beta.sessions.delete(sessions[0] ?? "");
  assert.deepEqual([...new Set((await uses()).data.map(({ session_id }) => session_id))], [sessions[1]]);

  const other = await api.client.beta.vaults.create({ display_name: "Bob" });
  for (const wrong of [
    `/v1/vaults/${other.id}/credentials/${made.id}/uses`,
    `/v1/vaults/vlt_01none/credentials/${made.id}/uses`,
    `/v1/vaults/${vault.id}/credentials/vcrd_01none/uses`,
  ])
    await assert.rejects(api.client.get(wrong), { status: 404 });
});
