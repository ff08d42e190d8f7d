import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { freshMasterKey, masterKeyOf } from "../../vault/master-key.ts";
import { createSeal } from "../../vault/seal.ts";
import { betaHeader, type TestApi, testApi } from "../testing.ts";
import { credentialRoutes } from "./credentials.ts";
import { vaultRoutes } from "./vaults.ts";

let api: TestApi;
before(async () => {
  const seal = createSeal(masterKeyOf(freshMasterKey()));
  api = await testApi([...vaultRoutes, ...credentialRoutes({ seal, allow_private_hosts: [] })]);
});
after(() => api.close());

test("a workspace sees nothing of the vaults of another, and changes nothing there", async () => {
  type Read = { id: string; data: unknown[] };
  const { body: vault } = await api.call<Read>("POST", "/v1/vaults", { display_name: "v" });
  const path = `/v1/vaults/${vault.id}`;
  const auth = { type: "static_bearer", mcp_server_url: "https://mcp.example.com", token: "t" };
  const { body: made } = await api.call<Read>("POST", `${path}/credentials`, { auth });
  const own = `${path}/credentials/${made.id}`;
  const other = { ...betaHeader, "x-api-key": "other-key" };
  const before = await api.call("GET", own);
  for (const [method, where, body] of [
    ["GET", path],
    ["POST", path, { display_name: "w" }],
    ["POST", `${path}/archive`],
    ["DELETE", path],
    ["GET", `${path}/credentials`],
    ["POST", `${path}/credentials`, { auth: { ...auth, mcp_server_url: "https://b.example.com" } }],
    ["GET", own],
    ["POST", own, { auth: { type: "static_bearer", token: "u" } }],
    ["POST", `${own}/archive`],
    ["DELETE", own],
  ] as const) {
    const { status, body: answer } = await api.call(method, where, body, other);
    assert.equal(status, 404, `${method} ${where}`);
    assert.equal(answer.error.message, `vault ${vault.id} not found`);
  }
  assert.deepEqual((await api.call<Read>("GET", "/v1/vaults", undefined, other)).body.data, []);
  assert.deepEqual((await api.call("GET", own)).body, before.body);
});

test("without the beta header there are no such routes", async () => {
  for (const path of ["/v1/vaults", "/v1/vaults/vlt_01x/credentials"])
    assert.equal((await api.call("GET", path, undefined, { "anthropic-beta": "" })).status, 404);
});
