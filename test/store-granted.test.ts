import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import type { Granted } from "../src/authorize/authorize.ts";
import { findPlace, storeGranted } from "../src/cli/client/store-granted.ts";
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
  await assert.rejects(store({ access_token: "two words", refresh: null }), (error: Error) => {
    assert.match(
      error.message,
      new RegExp(`^${stored.id} is archived, and the new credential could not be stored: `),
    );
    return !error.message.includes("two words");
  });
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
