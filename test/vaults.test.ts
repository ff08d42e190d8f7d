import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, describe, test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import type { CredentialCreateParams } from "@anthropic-ai/sdk/resources/beta/vaults/credentials";
import { rotate } from "../src/resources/sealed/rotate.ts";
import { freshMasterKey, masterKeyOf } from "../src/vault/master-key.ts";
import { createSeal } from "../src/vault/seal.ts";
import { credentialPlace } from "../src/vault/secrets.ts";
import { startTestServer } from "./harness/server.ts";
import { newSession, prepare } from "./harness/session.ts";

const key = freshMasterKey();
const seal = createSeal(masterKeyOf(key));
const api = await startTestServer({ seal, allow_private_hosts: ["mcp.intranet", "10.1.0.0/16"] });
after(() => api.close());
const { vaults } = api.client.beta;
const { credentials } = vaults;

const newVault = async () => (await vaults.create({ display_name: "Alice" })).id;
const workspace_id = "wrkspc_default";

type Auth = CredentialCreateParams["auth"];
const bearer = (fields: object = {}): Auth => ({
  type: "static_bearer",
  mcp_server_url: "https://mcp.example.com/mcp",
  token: "tok_0123456789abcdef",
  ...fields,
});
const refresh = {
  token_endpoint: "https://auth.example.com/token",
  client_id: "client-1",
  refresh_token: "refresh_0123456789abcdef",
  token_endpoint_auth: { type: "client_secret_post" as const, client_secret: "cs_0123456789abcdef" },
  scope: "read write",
};
const oauth = (fields: object = {}): Auth => ({
  type: "mcp_oauth",
  mcp_server_url: "https://mcp.example.com/mcp",
  access_token: "access_0123456789abcdef",
  expires_at: "2999-01-01T00:00:00Z",
  refresh,
  ...fields,
});
const variable = (fields: object = {}): Auth => ({
  type: "environment_variable",
  secret_name: "API_KEY",
  secret_value: "value_0123456789abcdef",
  networking: { type: "limited", allowed_hosts: ["api.example.com", "*.example.org", "192.0.2.1"] },
  ...fields,
});

/** What is sealed of a credential, and which version of it. */
async function sealed(id: string): Promise<{ secret: unknown; version: number }> {
  const [row] = await api.db.query<{ secret: string | null; secret_version: number }>(
    { name: "test_sealed", text: "select secret, secret_version from credential where id = $1" },
    [id],
  );
  assert.ok(row);
  const secret = row.secret && JSON.parse(await api.seal.open(row.secret, credentialPlace(workspace_id, id)));
  return { secret, version: row.secret_version };
}

const refused = (status: number, says: RegExp) => (error: unknown) => {
  assert.ok(error instanceof Anthropic.APIError, String(error));
  assert.equal(error.status, status, error.message);
  assert.match(error.message, says);
  return true;
};

describe("a vault", () => {
  test("is made, changed, listed, archived and deleted", async () => {
    const made = await vaults.create({ display_name: "Alice", metadata: { user: "u1" } });
    assert.match(made.id, /^vlt_01[0-9A-Za-z]{22}$/);
    assert.deepEqual(made, {
      id: made.id,
      type: "vault",
      display_name: "Alice",
      metadata: { user: "u1" },
      created_at: made.created_at,
      updated_at: made.created_at,
      archived_at: null,
    });
    assert.deepEqual(await vaults.retrieve(made.id), made);
    assert.deepEqual(await vaults.update(made.id, {}), made);
    assert.deepEqual(await vaults.update(made.id, { display_name: null, metadata: null }), made);
    const changed = await vaults.update(made.id, { display_name: "Bob", metadata: { user: null, a: "b" } });
    assert.deepEqual([changed.display_name, changed.metadata], ["Bob", { a: "b" }]);
    assert.ok(changed.updated_at > made.updated_at);

    const archived = await vaults.archive(made.id);
    assert.ok(archived.archived_at !== null);
    assert.deepEqual(await vaults.archive(made.id), archived);
    await assert.rejects(vaults.update(made.id, { display_name: "C" }), refused(400, /archived/));
    await assert.rejects(credentials.create(made.id, { auth: bearer() }), refused(400, /archived/));
    const [seen, all] = [await vaults.list(), await vaults.list({ include_archived: true })];
    assert.ok(!seen.data.some(({ id }) => id === made.id));
    assert.ok(all.data.some(({ id }) => id === made.id));
    assert.deepEqual(await vaults.delete(made.id), { id: made.id, type: "vault_deleted" });
    await assert.rejects(vaults.retrieve(made.id), refused(404, new RegExp(`vault ${made.id} not found`)));
    await assert.rejects(vaults.delete(made.id), refused(404, /not found/));
  });
});

describe("a credential", () => {
  test("of each type shows all but its secret", async () => {
    const vault = await newVault();
    const shown: [Auth, object, object][] = [
      [
        bearer(),
        { type: "static_bearer", mcp_server_url: "https://mcp.example.com/mcp" },
        { type: "static_bearer", token: "tok_0123456789abcdef" },
      ],
      [
        oauth({ mcp_server_url: "https://other.example.com" }),
        {
          type: "mcp_oauth",
          mcp_server_url: "https://other.example.com",
          expires_at: "2999-01-01T00:00:00Z",
          refresh: {
            token_endpoint: "https://auth.example.com/token",
            client_id: "client-1",
            scope: "read write",
            resource: null,
            token_endpoint_auth: { type: "client_secret_post" },
          },
        },
        {
          type: "mcp_oauth",
          access_token: "access_0123456789abcdef",
          refresh_token: "refresh_0123456789abcdef",
          client_secret: "cs_0123456789abcdef",
        },
      ],
      [
        variable(),
        {
          type: "environment_variable",
          secret_name: "API_KEY",
          networking: { type: "limited", allowed_hosts: ["api.example.com", "*.example.org", "192.0.2.1"] },
          injection_location: { header: true, body: true },
        },
        { type: "environment_variable", secret_value: "value_0123456789abcdef" },
      ],
    ];
    for (const [auth, answer, secret] of shown) {
      const made = await credentials.create(vault, { auth, display_name: "c", metadata: { a: "b" } });
      assert.match(made.id, /^vcrd_01[0-9A-Za-z]{22}$/);
      assert.deepEqual(made, {
        id: made.id,
        type: "vault_credential",
        vault_id: vault,
        display_name: "c",
        metadata: { a: "b" },
        auth: answer,
        created_at: made.created_at,
        updated_at: made.created_at,
        archived_at: null,
      });
      assert.deepEqual(await credentials.retrieve(made.id, { vault_id: vault }), made);
      assert.deepEqual(await sealed(made.id), { secret, version: 1 });
    }
    assert.equal((await credentials.list(vault)).data.length, 3);
  });
});

describe("a session", () => {
  test("has the vaults that it was created with, in their order, and so do its forks", async () => {
    const facts = await prepare(api.client);
    const vault_ids = [await newVault(), await newVault(), await newVault()].reverse();
    const start = { agent: facts.agent_id, environment_id: facts.environment_id };
    const session = await api.client.beta.sessions.create({ ...start, vault_ids });
    assert.deepEqual(session.vault_ids, vault_ids);
    assert.deepEqual((await api.client.beta.sessions.retrieve(session.id)).vault_ids, vault_ids);
    const { data } = await api.client.beta.sessions.list();
    assert.deepEqual(data.find(({ id }) => id === session.id)?.vault_ids, vault_ids);
    assert.deepEqual((await newSession(api.client, facts)).vault_ids, []);

    // One that is gone is no reason for the others to end.
    await vaults.delete(vault_ids[1] ?? "");
    await vaults.archive(vault_ids[2] ?? "");
    const fork = await api.client.post<{ vault_ids: string[] }>(`/v1/sessions/${session.id}/fork`);
    assert.deepEqual(fork.vault_ids, vault_ids);
    const again = (ids: string[]) => api.client.beta.sessions.create({ ...start, vault_ids: ids });
    await assert.rejects(
      again(vault_ids),
      refused(404, new RegExp(`^404 .*vault ${vault_ids[1]} not found`)),
    );
    await assert.rejects(again(vault_ids.slice(2)), refused(400, /vault_ids\.0: vault vlt_\w+ is archived/));
    const update = api.client.beta.sessions.update(session.id, { vault_ids: vault_ids.slice(0, 1) });
    await assert.rejects(update, refused(400, /vault_ids: cannot be changed/));
  });

  test("comes to be before a vault of it is archived, or not at all", async () => {
    const facts = await prepare(api.client);
    for (let i = 0; i < 20; i += 1) {
      const vault = await newVault();
      const start = { agent: facts.agent_id, environment_id: facts.environment_id, vault_ids: [vault] };
      const [archived, made] = await Promise.allSettled([
        vaults.archive(vault),
        api.client.beta.sessions.create(start),
      ]);
      assert.ok(archived.status === "fulfilled");
      if (made.status === "rejected") refused(400, /is archived/)(made.reason);
      else assert.ok(made.value.created_at <= (archived.value.archived_at ?? ""));
    }
  });
});

describe("an Idempotency-Key", () => {
  const secret = "guess-me-1234";
  const body = { auth: variable({ secret_name: "KEYED", secret_value: secret }) };

  test("makes one credential of several requests, and nothing that is kept lets the secret be guessed", async () => {
    const vault = await newVault();
    const options = { headers: { "idempotency-key": "vault-key-1" } };
    const made = await credentials.create(vault, body, options);
    assert.deepEqual(await credentials.create(vault, body, options), made);
    const other = { auth: variable({ secret_name: "KEYED", secret_value: `${secret}5` }) };
    await assert.rejects(credentials.create(vault, other, options), refused(400, /with another body/));
    const [kept] = await api.db.query<{ body_hmac: string | null; body_sealed: string; answer: string }>(
      { name: "test_kept", text: "select * from kept_answer where key = 'vault-key-1'" },
      [],
    );
    assert.ok(kept);
    assert.deepEqual([kept.body_hmac, /^v1:/.test(kept.body_sealed)], [null, true]);
    const [{ hmac_key = "" } = {}] = await api.db.query<{ hmac_key: string }>(
      { name: "test_hmac_key", text: "select hmac_key from log" },
      [],
    );
    const guessed = createHmac("sha256", hmac_key)
      .update(JSON.stringify([{}, body]))
      .digest("hex");
    assert.ok(!JSON.stringify(kept).includes(guessed));
    assert.ok(!JSON.stringify(kept).includes(secret));
  });

  test("means the same after the master key was replaced", async () => {
    const vault = await newVault();
    const options = { headers: { "idempotency-key": "vault-key-2" } };
    const made = await credentials.create(vault, body, options);
    const fresh = masterKeyOf([freshMasterKey(), key].join("\n"));
    const failures: string[] = [];
    const rotated = await rotate({
      db: api.db,
      seal: createSeal(fresh),
      dry_run: false,
      passed() {},
      failed: (column, { key }, why) => failures.push(`${column.table} ${key}: ${why}`),
    });
    assert.deepEqual(failures, []);
    assert.ok((rotated.get("kept requests") ?? 0) >= 1);
    const next = await startTestServer({ beside: api, seal: createSeal(fresh) });
    after(() => next.close());
    assert.deepEqual(await next.client.beta.vaults.credentials.create(vault, body, options), made);
  });
});

test("a server that lacks the key of what is there says so at its start", async () => {
  await credentials.create(await newVault(), { auth: bearer() });
  const { promise, resolve } = Promise.withResolvers<string>();
  const other = await startTestServer({
    beside: api,
    seal: createSeal(masterKeyOf(freshMasterKey())),
    log: resolve,
  });
  after(() => other.close());
  assert.match(
    await promise,
    /\d+ secrets? (is|are) sealed under a master key that is not there \([0-9a-f]+/,
  );
});
