import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import type { Credential } from "../src/protocol/credentials.ts";
import { type FakeOAuth, startFakeOAuth } from "./fakes/oauth.ts";
import { freePort } from "./harness/free-port.ts";
import { beta } from "./harness/headers.ts";
import { agentWith, calling, errorsIn, mcpTexts } from "./harness/mcp.ts";
import { newOAuthCredential, type OAuthCredential, refreshOf, validate } from "./harness/oauth.ts";
import { type Processes, type Serve, startProcesses } from "./harness/processes.ts";
import { listed, prepare, turn } from "./harness/session.ts";

let processes: Processes;
let servers: [Serve, Serve];
let environment_id: string;
let fake: FakeOAuth;

before(async () => {
  processes = await startProcesses({ settings: { DROVER_ALLOW_PRIVATE_HOSTS: "127.0.0.1" } });
  servers = [await processes.serve(await freePort()), await processes.serve(await freePort())];
  ({ environment_id } = await prepare(servers[0].client));
});
after(() => processes.close());
beforeEach(async () => {
  fake = await startFakeOAuth();
});
afterEach(() => fake.close());

const at = (n: number) => (servers[n % 2] ?? assert.fail()).client;

/** So many sessions of an agent that looks at the fake's MCP server, with one credential for it. */
async function sessionsWith(credential: OAuthCredential, count: number): Promise<string[]> {
  const { id: agent } = await agentWith(at(0), [{ server: "fake", url: fake.mcp_url }]);
  const vault_ids = [credential.vault_id];
  const making = Array.from({ length: count }, (_, n) =>
    at(n).beta.sessions.create({ agent, environment_id, vault_ids }),
  );
  return (await Promise.all(making)).map(({ id }) => id);
}

const look = `${calling("fake", "look")}\nthen\nsay done`;
const expireBy = (seconds: number, { id }: OAuthCredential) =>
  processes.db.query(
    {
      name: "test_expire",
      text: `update credential set updated_at = drover_now() - interval '1 hour', auth = jsonb_set(auth::jsonb, '{expires_at}',
        to_jsonb(to_char(drover_now() - $2 * interval '1 second', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')))::json where id = $1`,
    },
    [id, seconds],
  );
/** What the sessions have used, each as kind and outcome, once that is as expected: it is written down behind their turns. */
async function usesOf(ids: string[], isWhole: (uses: string[]) => boolean): Promise<string[]> {
  for (;;) {
    const pages = ids.map(
      (id): Promise<{ data: { kind: string; outcome: string }[] }> =>
        at(0).get(`/v1/sessions/${id}/audit`, { headers: { "anthropic-beta": beta } }),
    );
    const uses = (await Promise.all(pages)).flatMap(({ data }) =>
      data.map(({ kind, outcome }) => `${kind} ${outcome}`),
    );
    if (isWhole(uses)) return uses;
  }
}
const refreshesIn = (uses: string[]) => uses.filter((use) => use.startsWith("oauth_refresh"));

test("20 turns at once on two servers have an expired token refreshed once", async () => {
  const credential = await newOAuthCredential(at(0), fake);
  const ids = await sessionsWith(credential, 20);
  await expireBy(5, credential);
  const turns = await Promise.all(ids.map((id, n) => turn(at(n + 1), id, look)));
  for (const events of turns) {
    assert.deepEqual(errorsIn(events), []);
    assert.deepEqual(mcpTexts(events), ["it is there"]);
  }
  assert.equal(fake.refreshes.length, 1);
  assert.ok(fake.calls.every(({ headers }) => headers.authorization === `Bearer ${fake.access_token}`));
  const uses = await usesOf(
    ids,
    (found) => refreshesIn(found).length > 0 && found.filter((use) => use === "mcp sent 200").length === 20,
  );
  assert.deepEqual(refreshesIn(uses), ["oauth_refresh sent 200"]);
});

test("20 turns at once on two servers of which all are refused have the token refreshed once", async () => {
  const credential = await newOAuthCredential(at(0), fake);
  const ids = await sessionsWith(credential, 20);
  fake.expire();
  const turns = await Promise.all(ids.map((id, n) => turn(at(n), id, look)));
  for (const events of turns) assert.deepEqual(mcpTexts(events), ["it is there"]);
  assert.equal(fake.refreshes.length, 1);
  assert.equal((await validate(at(1), credential)).refresh, null);
});

test("a session that runs takes up a new secret, and none is used that was archived", async () => {
  const credential = await newOAuthCredential(at(0), fake);
  const [id = ""] = await sessionsWith(credential, 1);
  assert.deepEqual(mcpTexts(await turn(at(0), id, look)), ["it is there"]);
  fake.access_token = "by-hand";
  const { vault_id } = credential;
  const { credentials } = at(1).beta.vaults;
  await credentials.update(credential.id, { vault_id, auth: { type: "mcp_oauth", access_token: "by-hand" } });
  assert.deepEqual(mcpTexts(await turn(at(0), id, look)), ["it is there"]);
  assert.equal(fake.refreshes.length, 0);
  await credentials.archive(credential.id, { vault_id });
  const [fresh = ""] = await sessionsWith(credential, 1);
  const before = fake.calls.length;
  const [error] = errorsIn(await turn(at(0), fresh, "say done"));
  assert.equal(error?.type, "mcp_authentication_failed_error");
  assert.ok(fake.calls.slice(before).every(({ headers }) => headers.authorization === undefined));
});

test("a refresh that is refused is an error of the session, which goes on, and is not tried by each turn", async () => {
  const credential = await newOAuthCredential(at(0), fake);
  const ids = await sessionsWith(credential, 2);
  const secrets = [fake.access_token, fake.refresh_token];
  fake.expire();
  fake.settings.onRefresh = ({ text }) => ({
    status: 400,
    body: { error: "invalid_grant", error_description: text },
  });
  for (const [n, id] of [...ids, ...ids].entries()) {
    const events = await turn(at(n), id, "say done");
    const [error] = errorsIn(events);
    assert.ok(error?.type === "mcp_authentication_failed_error", JSON.stringify(errorsIn(events)));
    assert.equal(error.mcp_server_name, "fake");
    assert.match(error.message, /invalid_grant/);
  }
  assert.equal(fake.refreshes.length, 1);
  const everything = JSON.stringify(await Promise.all(ids.map((id) => listed(at(0), id))));
  for (const secret of secrets)
    assert.ok(!everything.includes(secret) && !processes.report().includes(secret));
  const uses = await usesOf(ids, (found) => refreshesIn(found).length > 0);
  assert.deepEqual(refreshesIn(uses), ["oauth_refresh sent 400"]);
  const { vault_id, id } = credential;
  const headers = { "anthropic-beta": beta };
  const failure = async () =>
    (await at(1).get<Credential>(`/v1/vaults/${vault_id}/credentials/${id}`, { headers })).refresh_failure;
  const said = await failure();
  assert.match(said?.message ?? "", /invalid_grant/);
  assert.equal(said?.count, 1);
  assert.ok(Date.parse(said.retry_at) > 0);
  for (const secret of secrets) assert.ok(!JSON.stringify(said).includes(secret));
  fake.settings.onRefresh = undefined;
  const auth = { type: "mcp_oauth", refresh: { refresh_token: fake.refresh_token } } as const;
  await at(0).beta.vaults.credentials.update(id, { vault_id, auth });
  assert.equal(await failure(), undefined);
  assert.deepEqual(mcpTexts(await turn(at(1), ids[0] ?? "", look)), ["it is there"]);
});

test("a refusal does not hold up a credential whose scope was set right", async () => {
  const credential = await newOAuthCredential(at(0), fake, {
    refresh: { ...refreshOf(fake), scope: "what nobody may" },
  });
  const [id = ""] = await sessionsWith(credential, 1);
  fake.expire();
  fake.settings.onRefresh = ({ form }) =>
    form.has("scope") ? { status: 400, body: { error: "invalid_scope" } } : null;
  const [error] = errorsIn(await turn(at(0), id, "say done"));
  assert.equal(error?.type, "mcp_authentication_failed_error");
  const { vault_id } = credential;
  const update = (auth: object) =>
    at(1).beta.vaults.credentials.update(credential.id, { vault_id, auth: { type: "mcp_oauth", ...auth } });
  await update({ refresh: { scope: "" } });
  assert.deepEqual(mcpTexts(await turn(at(0), id, look)), ["it is there"]);
});
