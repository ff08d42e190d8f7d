import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import type { Granted } from "../src/authorize/authorize.ts";
import { connect } from "../src/cli/client/connection.ts";
import { findPlace, storeGranted } from "../src/cli/client/store-granted.ts";
import { limits } from "../src/limits.ts";
import { startCuttingProxy } from "./harness/cutting-proxy.ts";
import { testKey } from "./harness/headers.ts";
import { startTestServer } from "./harness/server.ts";

const api = await startTestServer();
after(() => api.close());
const { vaults } = api.client.beta;
const server = new URL("https://mcp.example/mcp");
let vault: string;
beforeEach(async () => {
  vault = (await vaults.create({ display_name: "v" })).id;
});

const refresh = {
  refresh_token: "refresh-1",
  token_endpoint: "https://auth.example/token",
  client_id: "me",
  method: "none",
  client_secret: null,
  resource: "https://mcp.example/mcp",
} as const;
const granted = (changed: Partial<Granted> = {}): Granted => ({
  access_token: "access-1",
  expires_in_s: 60,
  scope: "a b",
  issuer: "https://auth.example",
  refresh,
  ...changed,
});

async function store(changed: Partial<Granted> = {}, name: string | null = null, at = server) {
  const place = await findPlace(api.client, at, vault);
  return {
    place,
    stored: await storeGranted(api.client, place, { server: at, granted: granted(changed), name }),
  };
}
const active = () => Array.fromAsync(vaults.credentials.list(vault));

test("what is granted again to the same client is the same credential", async () => {
  const first = await store({}, "Mine");
  assert.equal(first.place.before, null);
  assert.deepEqual(first.stored.metadata, { scope: "a b" });
  await vaults.credentials.update(first.stored.id, { vault_id: vault, metadata: { team: "red" } });
  const second = await store({ scope: "a b c" }, null, new URL("https://MCP.example:443/mcp/"));
  assert.equal(second.place.scope, "a b");
  assert.equal(second.stored.id, first.stored.id);
  assert.equal(second.stored.display_name, "Mine");
  assert.deepEqual(second.stored.metadata, { team: "red", scope: "a b c" });
  const secret = { ...refresh, method: "client_secret_post", client_secret: "hush" } as const;
  const third = await store({ refresh: secret, scope: "x".repeat(513) }, "Ours");
  assert.notEqual(third.stored.id, first.stored.id);
  assert.deepEqual([third.stored.display_name, third.stored.metadata], ["Ours", { team: "red" }]);
  const fourth = await store({ refresh: { ...secret, client_secret: "newer" } });
  assert.equal(fourth.stored.id, third.stored.id);
});

test("what cannot become the credential that was there takes its place", async () => {
  let { id } = (await store()).stored;
  const others: Partial<Granted>[] = [
    { refresh: { ...refresh, client_id: "another" } },
    { refresh: null },
    { refresh },
    { expires_in_s: null },
  ];
  for (const changed of others) {
    const { stored } = await store(changed);
    assert.notEqual(stored.id, id, JSON.stringify(changed));
    assert.equal((await vaults.credentials.retrieve(id, { vault_id: vault })).archived_at === null, false);
    assert.deepEqual(
      (await active()).map((each) => each.id),
      [stored.id],
    );
    ({ id } = stored);
  }
});

test("a credential that could not be replaced is named", async () => {
  const { stored } = await store();
  const token_endpoint = "http://auth.example/token";
  await assert.rejects(store({ refresh: { ...refresh, token_endpoint } }), (error: Error) => {
    const said = `${stored.id} is archived, and the new credential could not be stored: auth.refresh.token_endpoint: `;
    assert.ok(error.message.startsWith(said), error.message);
    return true;
  });
});

test("what no vault takes costs nobody the credential that was there", async () => {
  const { stored } = await store();
  const others: [Partial<Granted>, RegExp][] = [
    [{ access_token: "two words", refresh: null }, /\(auth\.access_token: must be/],
    [{ refresh: { ...refresh, refresh_token: "hush\t" } }, /\(auth\.refresh\.refresh_token: must be/],
    [{ refresh: { ...refresh, client_id: "\u001b[31m" } }, /\(auth\.refresh\.client_id: must be/],
  ];
  for (const [changed, why] of others)
    await assert.rejects(store(changed), (error: Error) => {
      assert.match(error.message, /^what was granted for mcp\.example fits into no vault /);
      assert.match(error.message, why);
      return !/two words|hush|\u001b/.test(error.message);
    });
  assert.deepEqual(
    (await active()).map(({ id }) => id),
    [stored.id],
  );
});

test("what it may do is written down where there is room, and where it is a scope", async () => {
  const full = Object.fromEntries(Array.from({ length: 15 }, (_, n) => [`k${n}`, "v"]));
  const { stored } = await store({ refresh: null });
  await vaults.credentials.update(stored.id, { vault_id: vault, metadata: full });
  assert.equal((await store({ refresh: null })).stored.metadata.scope, "a b");
  await vaults.credentials.update(stored.id, { vault_id: vault, metadata: { scope: null, k15: "v" } });
  assert.equal((await store({ refresh: null })).stored.metadata.scope, undefined);
  const moved = await store();
  assert.deepEqual(moved.stored.metadata, { ...full, k15: "v" });
  const unsaid = await store({ scope: "a\u0000\u001b[31m" });
  assert.deepEqual(unsaid.stored.metadata, moved.stored.metadata);
});

test("where the answer is lost, there is one credential nonetheless", async () => {
  const cutting = await startCuttingProxy(api.url);
  after(() => cutting.close());
  const client = connect(cutting.url, testKey);
  const place = await findPlace(client, server, vault);
  cutting.cutNextAnswer();
  const stored = await storeGranted(client, place, { server, granted: granted(), name: null });
  assert.equal(cutting.cuts(), 1);
  assert.deepEqual(await active(), [stored]);
});

test("where no vault can hold it, nobody is asked for their consent", async () => {
  const auth = { type: "static_bearer", token: "hush-hush-hush" } as const;
  for (let n = 0; n < limits.vault_credentials_max; n += 1)
    await vaults.credentials.create(vault, { auth: { ...auth, mcp_server_url: `https://${n}.example` } });
  await assert.rejects(store(), /has 20 credentials, which is the most/);
  await vaults.archive(vault);
  await assert.rejects(store(), new RegExp(`vault ${vault} is archived`));
});

test("two who store at once leave one credential", async () => {
  await Promise.allSettled([store({ refresh: null }), store({ refresh: null })]);
  assert.equal((await active()).length, 1);
});

test("without a vault: the only one is taken, one is made, and of several none is chosen", async () => {
  const lonely = await startTestServer();
  after(() => lonely.close());
  const { vaults } = lonely.client.beta;
  const run = async () => {
    const place = await findPlace(lonely.client, server, null);
    return storeGranted(lonely.client, place, { server, granted: granted(), name: null });
  };
  const first = await run();
  assert.equal((await run()).id, first.id);
  const [made, ...others] = await Array.fromAsync(vaults.list());
  assert.deepEqual([made?.display_name, others], ["Drover", []]);
  await vaults.create({ display_name: "another" });
  await assert.rejects(run(), /several vaults: choose one with --vault/);
});

test("a credential of another type for the server is not replaced", async () => {
  const auth = { type: "static_bearer", mcp_server_url: server.href, token: "hush-hush-hush" } as const;
  const { id } = await vaults.credentials.create(vault, { auth });
  await assert.rejects(store(), new RegExp(`static_bearer for this server, ${id}: archive it first`));
  await assert.rejects(findPlace(api.client, server, "vlt_none"), { status: 404 });
});
