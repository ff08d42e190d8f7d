import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import type { BetaManagedAgentsCredential } from "@anthropic-ai/sdk/resources/beta/vaults/credentials";
import { freshMasterKey, masterKeyOf } from "../src/vault/master-key.ts";
import { createSeal } from "../src/vault/seal.ts";
import { credentialPlace } from "../src/vault/secrets.ts";
import { ask } from "./harness/refusals.ts";
import { startTestServer, testKey } from "./harness/server.ts";
import { collected } from "./harness/session.ts";

const logged: string[] = [];
const seal = createSeal(masterKeyOf(freshMasterKey()));
const api = await startTestServer({
  seal,
  allow_private_hosts: ["mcp.intranet", "10.1.0.0/16", "fd00::/8"],
  log: (line) => logged.push(line),
});
after(() => api.close());
const { vaults } = api.client.beta;
const { credentials } = vaults;

/** In each secret that this file sends. */
const hush = "hush0123456789";
let n = 0;
const secret = (): string => {
  n += 1;
  return `${hush}-${n}`;
};
const newVault = async () => (await vaults.create({ display_name: "v" })).id;
const url = (): string => {
  n += 1;
  return `https://mcp${n}.example.com/mcp`;
};

const bearer = (fields: object = {}) => ({
  type: "static_bearer" as const,
  mcp_server_url: url(),
  token: secret(),
  ...fields,
});
const refresh = (fields: object = {}) => ({
  token_endpoint: "https://auth.example.com/token",
  client_id: "client-1",
  refresh_token: secret(),
  token_endpoint_auth: { type: "client_secret_basic" as const, client_secret: secret() },
  ...fields,
});
const oauth = (fields: object = {}) => ({
  type: "mcp_oauth" as const,
  mcp_server_url: url(),
  access_token: secret(),
  ...fields,
});
const variable = (fields: object = {}) => ({
  type: "environment_variable" as const,
  secret_name: `KEY_${secret().slice(hush.length + 1)}`,
  secret_value: secret(),
  networking: { type: "unrestricted" as const },
  ...fields,
});

async function stored(id: string) {
  const [row] = await api.db.query<{ secret: string | null; secret_version: number; updated_at: string }>(
    { name: "test_stored", text: "select secret, secret_version, updated_at from credential where id = $1" },
    [id],
  );
  assert.ok(row);
  const text = row.secret && (await seal.open(row.secret, credentialPlace("wrkspc_default", id)));
  return { secret: text && JSON.parse(text), version: row.secret_version };
}

const refused = (status: number, says: RegExp) => (error: unknown) => {
  assert.ok(error instanceof Anthropic.APIError, String(error));
  assert.equal(error.status, status, error.message);
  assert.match(error.apiMessage ?? "", says);
  assert.ok(!error.message.includes(hush));
  return true;
};

const authOf = <Type extends string>({ auth }: BetaManagedAgentsCredential, type: Type) => {
  assert.equal(auth.type, type);
  return auth as Extract<BetaManagedAgentsCredential["auth"], { type: Type }>;
};

describe("an update", () => {
  test("of a bearer takes another token, which is another version", async () => {
    const vault_id = await newVault();
    const made = await credentials.create(vault_id, {
      auth: bearer(),
      display_name: "a",
      metadata: { a: "1" },
    });
    const before = await stored(made.id);
    const nothing = [
      {},
      { display_name: null, metadata: null },
      { auth: { type: "static_bearer" as const } },
      { auth: { type: "static_bearer" as const, token: null } },
      { display_name: "a", metadata: { b: null } },
    ];
    for (const params of nothing)
      assert.deepEqual(await credentials.update(made.id, { vault_id, ...params }), made);
    assert.deepEqual(await stored(made.id), before);

    const token = secret();
    const changed = await credentials.update(made.id, {
      vault_id,
      auth: { type: "static_bearer", token },
      display_name: "b",
      metadata: { a: null, c: "3" },
    });
    assert.deepEqual(changed, {
      ...made,
      display_name: "b",
      metadata: { c: "3" },
      updated_at: changed.updated_at,
    });
    assert.ok(changed.updated_at > made.updated_at);
    assert.deepEqual(await stored(made.id), { secret: { type: "static_bearer", token }, version: 2 });
    // What is no secret changes none.
    await credentials.update(made.id, { vault_id, display_name: "d" });
    assert.equal((await stored(made.id)).version, 2);
  });

  test("of OAuth keeps what was not sent, and the way in which the client shows itself", async () => {
    const vault_id = await newVault();
    const first = oauth({ expires_at: "2999-01-01T00:00:00Z", refresh: refresh({ scope: "a b" }) });
    const made = await credentials.create(vault_id, { auth: first });
    const { secret: before } = await stored(made.id);
    const update = async (auth: object) =>
      authOf(
        await credentials.update(made.id, { vault_id, auth: { type: "mcp_oauth", ...auth } }),
        "mcp_oauth",
      );

    const access_token = secret();
    assert.equal((await update({ access_token })).expires_at, "2999-01-01T00:00:00Z");
    assert.deepEqual(await stored(made.id), { secret: { ...before, access_token }, version: 2 });

    const refresh_token = secret();
    assert.equal((await update({ refresh: { refresh_token } })).refresh?.scope, "a b");
    assert.deepEqual(await stored(made.id), {
      secret: { ...before, access_token, refresh_token },
      version: 3,
    });

    // As the SDK says: it keeps its type, even if the type that is sent with the secret is the other one.
    const client_secret = secret();
    const answered = await update({
      refresh: { token_endpoint_auth: { type: "client_secret_post", client_secret } },
    });
    assert.deepEqual(answered.refresh?.token_endpoint_auth, { type: "client_secret_basic" });
    assert.deepEqual(await stored(made.id), {
      secret: { type: "mcp_oauth", access_token, refresh_token, client_secret },
      version: 4,
    });

    assert.equal((await update({ refresh: { scope: null } })).refresh?.scope, "a b");
    assert.equal((await update({ refresh: { scope: "c" } })).refresh?.scope, "c");
    assert.equal((await update({ refresh: { scope: "" } })).refresh?.scope, null);
    assert.equal(
      (await update({ expires_at: "2998-01-01T00:00:00+01:00" })).expires_at,
      "2997-12-31T23:00:00Z",
    );
    assert.equal((await update({ expires_at: null, refresh: null })).expires_at, "2997-12-31T23:00:00Z");
    assert.equal((await stored(made.id)).version, 4);

    const past = update({ access_token: secret(), expires_at: "2020-01-01T00:00:00Z" });
    await assert.rejects(past, refused(400, /auth\.expires_at: must be in the future/));
    assert.equal((await stored(made.id)).version, 4);
  });

  test("cannot give OAuth what it was created without", async () => {
    const vault_id = await newVault();
    const bare = await credentials.create(vault_id, { auth: oauth() });
    assert.deepEqual([authOf(bare, "mcp_oauth").refresh, authOf(bare, "mcp_oauth").expires_at], [null, null]);
    const public_client = await credentials.create(vault_id, {
      auth: oauth({ refresh: refresh({ token_endpoint_auth: { type: "none" } }) }),
    });
    const update = (id: string, refresh: object) =>
      credentials.update(id, { vault_id, auth: { type: "mcp_oauth", refresh } });
    await assert.rejects(
      update(bare.id, { refresh_token: secret() }),
      refused(400, /auth\.refresh: .*created without/),
    );
    const way = { type: "client_secret_post", client_secret: secret() };
    await assert.rejects(
      update(public_client.id, { token_endpoint_auth: way }),
      refused(400, /auth\.refresh\.token_endpoint_auth: is "none" and cannot change/),
    );
    await update(public_client.id, { refresh_token: secret() });
  });

  test("of a variable merges where it may be put in, and replaces where it may go", async () => {
    const vault_id = await newVault();
    const create = async (fields: object) =>
      authOf(await credentials.create(vault_id, { auth: variable(fields) }), "environment_variable")
        .injection_location;
    assert.deepEqual(await create({}), { header: true, body: true });
    assert.deepEqual(await create({ injection_location: { header: true } }), { header: true, body: false });
    assert.deepEqual(await create({ injection_location: { body: true } }), { header: false, body: true });
    for (const injection_location of [{}, { header: false }, { header: false, body: false }])
      await assert.rejects(
        create({ injection_location }),
        refused(400, /auth\.injection_location: .*both off/),
      );
    for (const injection_location of [null, { header: null }, { header: true, body: null }])
      await assert.rejects(
        create({ injection_location }),
        refused(400, /auth\.injection_location.*: must be/),
      );

    const made = await credentials.create(vault_id, { auth: variable() });
    const update = async (fields: object) =>
      authOf(
        await credentials.update(made.id, { vault_id, auth: { type: "environment_variable", ...fields } }),
        "environment_variable",
      );
    const { networking, injection_location } = await update({
      networking: { type: "limited", allowed_hosts: ["a.example.com", "b.example.com"] },
      injection_location: { body: false },
    });
    assert.deepEqual(networking, { type: "limited", allowed_hosts: ["a.example.com", "b.example.com"] });
    assert.deepEqual(injection_location, { header: true, body: false });
    const replaced = { type: "limited", allowed_hosts: ["c.example.com"] };
    assert.deepEqual((await update({ networking: replaced })).networking, replaced);
    assert.deepEqual((await update({ networking: null })).networking, replaced);
    assert.deepEqual((await update({ networking: { type: "unrestricted" } })).networking, {
      type: "unrestricted",
    });
    await assert.rejects(
      update({ injection_location: { header: false } }),
      refused(400, /auth\.injection_location: .*both off/),
    );
    assert.deepEqual(
      (await update({ injection_location: { header: false, body: true } })).injection_location,
      {
        header: false,
        body: true,
      },
    );
    for (const injection_location of [null, { body: null }])
      await assert.rejects(update({ injection_location }), refused(400, /auth\.injection_location/));
    assert.equal((await stored(made.id)).version, 1);
    const secret_value = secret();
    await update({ secret_value });
    assert.deepEqual(await stored(made.id), {
      secret: { type: "environment_variable", secret_value },
      version: 2,
    });
  });

  test("changes neither the type nor what a credential is for", async () => {
    const vault_id = await newVault();
    const of = {
      static_bearer: await credentials.create(vault_id, { auth: bearer() }),
      mcp_oauth: await credentials.create(vault_id, { auth: oauth({ refresh: refresh() }) }),
      environment_variable: await credentials.create(vault_id, { auth: variable() }),
    };
    const types = Object.keys(of) as (keyof typeof of)[];
    for (const from of types) {
      for (const type of types.filter((other) => other !== from))
        await assert.rejects(
          credentials.update(of[from].id, { vault_id, auth: { type } }),
          refused(400, new RegExp(`auth\\.type: is "${from}" and cannot change`)),
        );
    }
    const fixed: [keyof typeof of, object, string][] = [
      ["static_bearer", { mcp_server_url: url() }, "mcp_server_url"],
      ["mcp_oauth", { mcp_server_url: url() }, "mcp_server_url"],
      ["mcp_oauth", { refresh: { token_endpoint: url() } }, "refresh.token_endpoint"],
      ["mcp_oauth", { refresh: { client_id: "x" } }, "refresh.client_id"],
      ["mcp_oauth", { refresh: { resource: "x" } }, "refresh.resource"],
      ["environment_variable", { secret_name: "OTHER" }, "secret_name"],
    ];
    for (const [type, fields, path] of fixed) {
      const body = { auth: { type, ...fields } };
      const answer = await ask(api, {
        what: "",
        path: `/v1/vaults/${vault_id}/credentials/${of[type].id}`,
        body,
      });
      const { error } = (await answer.json()) as { error: { message: string } };
      assert.equal(answer.status, 400);
      assert.match(error.message, new RegExp(`^auth\\.${path}: cannot be changed`));
    }
  });

  test("that comes beside others loses none of theirs", async () => {
    const vault_id = await newVault();
    const made = await credentials.create(vault_id, { auth: oauth({ refresh: refresh() }) });
    const [access_token, refresh_token, client_secret] = [secret(), secret(), secret()];
    const update = (auth: object) =>
      credentials.update(made.id, { vault_id, auth: { type: "mcp_oauth", ...auth } });
    await Promise.all([
      update({ access_token }),
      update({ refresh: { refresh_token } }),
      update({ refresh: { token_endpoint_auth: { type: "client_secret_basic", client_secret } } }),
      update({ refresh: { scope: "all" } }),
      ...Array.from({ length: 6 }, (_, i) =>
        credentials.update(made.id, { vault_id, metadata: { [`k${i}`]: "v" } }),
      ),
    ]);
    assert.deepEqual(await stored(made.id), {
      secret: { type: "mcp_oauth", access_token, refresh_token, client_secret },
      version: 4,
    });
    const now = await credentials.retrieve(made.id, { vault_id });
    assert.equal(Object.keys(now.metadata).length, 6);
    assert.equal(authOf(now, "mcp_oauth").refresh?.scope, "all");
  });
});

describe("a key", () => {
  test("is there once among the active ones, whichever the type and however a URL is spelled", async () => {
    const vault_id = await newVault();
    const first = await credentials.create(vault_id, {
      auth: bearer({ mcp_server_url: "https://mcp.example.com/mcp" }),
    });
    const message = /A credential already exists for this MCP server URL\./;
    for (const mcp_server_url of ["https://mcp.example.com/mcp/", "HTTPS://MCP.Example.com:443/mcp"]) {
      for (const auth of [bearer({ mcp_server_url }), oauth({ mcp_server_url })]) {
        const error = await credentials.create(vault_id, { auth }).catch((error) => error);
        assert.ok(refused(409, message)(error));
        assert.equal(error.headers.get("x-should-retry"), "false");
      }
    }
    for (const path of ["", "/MCP", "/mcp/x"])
      await credentials.create(vault_id, {
        auth: oauth({ mcp_server_url: `https://mcp.example.com${path}` }),
      });
    // Another vault knows nothing of it.
    await credentials.create(await newVault(), {
      auth: oauth({ mcp_server_url: "https://mcp.example.com/mcp" }),
    });
    await credentials.create(vault_id, { auth: variable({ secret_name: "TOKEN" }) });
    await credentials.create(vault_id, { auth: variable({ secret_name: "token" }) });
    await assert.rejects(
      credentials.create(vault_id, { auth: variable({ secret_name: "TOKEN" }) }),
      refused(409, /A credential already exists for this secret name\./),
    );

    const archived = await credentials.archive(first.id, { vault_id });
    assert.ok(archived.archived_at);
    assert.deepEqual(await stored(first.id), { secret: null, version: 1 });
    assert.deepEqual(await credentials.archive(first.id, { vault_id }), archived);
    await assert.rejects(
      credentials.update(first.id, { vault_id, auth: { type: "static_bearer", token: secret() } }),
      refused(400, /is archived/),
    );
    const second = await credentials.create(vault_id, {
      auth: oauth({ mcp_server_url: "https://mcp.example.com/mcp/" }),
    });
    assert.equal(authOf(second, "mcp_oauth").mcp_server_url, "https://mcp.example.com/mcp/");
    assert.deepEqual(await credentials.delete(second.id, { vault_id }), {
      id: second.id,
      type: "vault_credential_deleted",
    });
    await assert.rejects(
      credentials.retrieve(second.id, { vault_id }),
      refused(404, /credential .* not found/),
    );
    await credentials.create(vault_id, { auth: bearer({ mcp_server_url: "https://mcp.example.com/mcp" }) });
  });

  test("of several that come at once, one has it", async () => {
    const vault_id = await newVault();
    const mcp_server_url = url();
    const made = await Promise.allSettled(
      Array.from({ length: 12 }, (_, i) =>
        credentials.create(vault_id, {
          auth: i % 2 === 0 ? bearer({ mcp_server_url }) : oauth({ mcp_server_url: `${mcp_server_url}/` }),
        }),
      ),
    );
    assert.equal(made.filter(({ status }) => status === "fulfilled").length, 1);
    for (const one of made)
      if (one.status === "rejected") assert.ok(refused(409, /already exists/)(one.reason));
  });
});

describe("a vault", () => {
  test("holds 20 active credentials, however many come at once", async () => {
    const vault_id = await newVault();
    const made = await Promise.allSettled(
      Array.from({ length: 30 }, () => credentials.create(vault_id, { auth: variable() })),
    );
    const [first] = made.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    assert.equal(made.filter(({ status }) => status === "fulfilled").length, 20);
    for (const one of made)
      if (one.status === "rejected")
        assert.ok(refused(400, /has 20 credentials, which is the most/)(one.reason));
    await credentials.archive(first?.id ?? "", { vault_id });
    await credentials.create(vault_id, { auth: variable() });
    await assert.rejects(credentials.create(vault_id, { auth: variable() }), refused(400, /20 credentials/));

    const seen = await collected(credentials.list(vault_id, { limit: 7 }));
    assert.equal(seen.length, 20);
    assert.ok(seen.every((one, i) => i === 0 || one.created_at <= (seen[i - 1]?.created_at ?? "")));
    const all = await collected(credentials.list(vault_id, { limit: 6, include_archived: true }));
    assert.equal(new Set(all.map(({ id }) => id)).size, 21);
  });

  test("that is archived takes all its credentials with it, those that come at the same time too", async () => {
    for (let i = 0; i < 10; i += 1) {
      const vault_id = await newVault();
      const old = await credentials.create(vault_id, { auth: bearer() });
      await credentials.archive(old.id, { vault_id });
      const { archived_at } = await credentials.retrieve(old.id, { vault_id });
      const kept = await credentials.create(vault_id, { auth: bearer() });
      const [vault, ...made] = await Promise.allSettled([
        vaults.archive(vault_id),
        ...Array.from({ length: 5 }, () => credentials.create(vault_id, { auth: variable() })),
      ]);
      for (const one of made)
        if (one.status === "rejected") assert.ok(refused(400, /is archived/)(one.reason));
      const rows = await api.db.query<{ id: string }>(
        {
          name: "test_left",
          text: "select id from credential where vault_id = $1 and (archived_at is null or secret is not null)",
        },
        [vault_id],
      );
      assert.deepEqual(rows, []);
      assert.ok(vault.status === "fulfilled");
      const at = "archived_at" in vault.value ? vault.value.archived_at : null;
      assert.equal((await credentials.retrieve(kept.id, { vault_id })).archived_at, at);
      assert.equal((await credentials.retrieve(old.id, { vault_id })).archived_at, archived_at);
    }
  });

  test("that is deleted leaves nothing", async () => {
    const vault_id = await newVault();
    const { id } = await credentials.create(vault_id, { auth: bearer() });
    await vaults.delete(vault_id);
    const gone = refused(404, new RegExp(`vault ${vault_id} not found`));
    await assert.rejects(credentials.retrieve(id, { vault_id }), gone);
    await assert.rejects(credentials.list(vault_id), gone);
    await assert.rejects(credentials.create(vault_id, { auth: bearer() }), gone);
    await assert.rejects(credentials.archive(id, { vault_id }), gone);
    await assert.rejects(credentials.delete(id, { vault_id }), gone);
    await assert.rejects(credentials.update(id, { vault_id }), gone);
    const left = await api.db.query({ name: "test_gone", text: "select from credential where id = $1" }, [
      id,
    ]);
    assert.deepEqual(left, []);
  });

  test("knows nothing of the credentials of another one", async () => {
    const [own, vault_id] = [await newVault(), await newVault()];
    const { id } = await credentials.create(own, { auth: bearer() });
    const gone = refused(404, new RegExp(`credential ${id} not found`));
    await assert.rejects(credentials.retrieve(id, { vault_id }), gone);
    await assert.rejects(credentials.update(id, { vault_id, display_name: "x" }), gone);
    await assert.rejects(credentials.archive(id, { vault_id }), gone);
    await assert.rejects(credentials.delete(id, { vault_id }), gone);
    assert.ok((await stored(id)).secret);
  });
});

describe("a secret", () => {
  test("goes without TLS only to what the administrator has opened", async () => {
    const vault_id = await newVault();
    const opened = ["http://mcp.intranet:8080/mcp", "http://10.1.2.3/mcp", "http://[fd00::1]/mcp"];
    for (const mcp_server_url of opened)
      await credentials.create(vault_id, { auth: bearer({ mcp_server_url }) });
    const closed = [
      "http://mcp.example.com",
      "http://10.2.0.1",
      "http://127.0.0.1:9",
      "http://x.mcp.intranet",
      "http://mcp.intranet.example.com",
    ];
    for (const address of closed) {
      await assert.rejects(
        credentials.create(vault_id, { auth: bearer({ mcp_server_url: address }) }),
        refused(400, /auth\.mcp_server_url: must be an https URL; .*DROVER_ALLOW_PRIVATE_HOSTS/),
      );
      await assert.rejects(
        credentials.create(vault_id, { auth: oauth({ refresh: refresh({ token_endpoint: address }) }) }),
        refused(400, /auth\.refresh\.token_endpoint: must be an https URL; /),
      );
    }
  });

  test("is for a URL of up to 2,048 characters, as it is sent", async () => {
    const vault_id = await newVault();
    const start = url();
    const spelled = (text: string) => `${start}/${text}`;
    // Nothing in it repeats, so that no database makes it shorter.
    let seed = 1;
    const odd = Array.from({ length: 900 }, () => {
      seed = (seed * 48_271) % 2_147_483_647;
      return String.fromCodePoint(0x4e00 + (seed % 20_000));
    }).join("");
    const { auth } = await credentials.create(vault_id, {
      auth: bearer({ mcp_server_url: spelled("x".repeat(2_047 - start.length)) }),
    });
    assert.ok("mcp_server_url" in auth && auth.mcp_server_url.length === 2_048);
    await credentials.create(vault_id, { auth: bearer({ mcp_server_url: spelled(odd.slice(0, 200)) }) });
    for (const mcp_server_url of [spelled("x".repeat(2_048 - start.length)), spelled(odd)])
      await assert.rejects(
        credentials.create(vault_id, { auth: bearer({ mcp_server_url }) }),
        refused(400, /auth\.mcp_server_url: .*(2048 characters|maximum string length is 2048)/),
      );
  });

  test("is in no answer, no log and nothing that the database holds, whatever goes wrong", async () => {
    const vault_id = await newVault();
    const path = `/v1/vaults/${vault_id}/credentials`;
    const nul = `${secret()}\u0000`;
    const bodies: unknown[] = [
      { auth: bearer({ token: `${secret()} with a space` }) },
      { auth: bearer({ token: `${secret()}\n` }) },
      { auth: bearer({ token: nul }) },
      { auth: bearer({ token: [secret()] }) },
      { auth: bearer({ token: { value: secret() } }) },
      { auth: bearer({ token: secret().padEnd(9_000, "x") }) },
      { auth: bearer({ mcp_server_url: `https://user:${secret()}@mcp.example.com` }) },
      { auth: bearer({ mcp_server_url: `ftp://${secret()}` }) },
      { auth: oauth({ expires_at: secret() }) },
      { auth: oauth({ refresh: refresh({ token_endpoint_auth: { type: secret() } }) }) },
      { auth: oauth({ refresh: { ...refresh(), refresh_token: ` ${secret()}` } }) },
      { auth: variable({ networking: { type: "limited", allowed_hosts: [`https://${secret()}`] } }) },
      { auth: variable({ secret_value: `${secret()} ` }) },
      { auth: variable({ secret_value: `${secret()}é` }) },
      { auth: variable({ secret_value: `${secret()}\r\nX-Other: y` }) },
      { auth: { type: secret(), token: secret() } },
      { auth: secret() },
      [secret()],
      `{"auth": {"type": "static_bearer", "token": "${secret()}"`,
      `{"auth": {"type": "static_bearer", "token": "${secret()}`,
      `{"auth": {"type": "static_bearer", "token": "${secret()}\n"}}`,
      `{"auth": {"type": "static_bearer", "token": "${secret()}\\x"}}`,
      `{"auth": {"type": "static_bearer", "token": ${secret()}}}`,
      `{"auth": {"type": "static_bearer", "token": '${secret()}'}}`,
      `{"token":${secret()}}`,
      `token=${secret()}`,
      secret(),
    ];
    for (const body of bodies) {
      const answer = await ask(api, { what: "", path, body });
      const text = await answer.text();
      assert.equal(answer.status, 400, text);
      // Not even a part of it.
      assert.ok(!text.includes(hush.slice(0, 4)), text);
    }
    // One that the server itself cannot cope with.
    const broken = await credentials.create(vault_id, { auth: oauth({ refresh: refresh() }) });
    await api.db.query(
      { name: "test_break", text: "update credential set secret = left(secret, -3) where id = $1" },
      [broken.id],
    );
    const body = { auth: { type: "mcp_oauth", access_token: secret() } };
    const answer = await ask(api, { what: "", path: `${path}/${broken.id}`, body });
    assert.equal(answer.status, 500);
    assert.ok(!(await answer.text()).includes(hush));
    assert.match(logged.join("\n"), /a sealed text was changed/);
    assert.ok(!logged.join("\n").includes(hush));

    await collected(credentials.list(vault_id, { include_archived: true }));
    const tables = await api.db.query<{ name: string }>(
      {
        name: "test_tables",
        text: "select tablename as name from pg_tables where schemaname = current_schema()",
      },
      [],
    );
    for (const { name } of tables) {
      const held = await api.db.query(
        { name: `test_hush_${name}`, text: `select from ${name} t where t::text like '%' || $1 || '%'` },
        [hush],
      );
      assert.equal(held.length, 0, name);
    }
  });
});

test("an older SDK's requests are answered the same", async () => {
  const older = {
    "x-api-key": testKey,
    "anthropic-version": "2023-06-01",
    "anthropic-beta": "managed-agents-2026-04-01",
    "content-type": "application/json",
  };
  const send = async (method: string, path: string, body?: object) => {
    const answer = await fetch(`${api.url}${path}?beta=true`, {
      method,
      headers: older,
      ...(body && { body: JSON.stringify(body) }),
    });
    assert.equal(answer.status, 200);
    return answer.json() as Promise<{ id: string; type: string }>;
  };
  const vault = await send("POST", "/v1/vaults", { display_name: "old" });
  const path = `/v1/vaults/${vault.id}`;
  const made = await send("POST", `${path}/credentials`, { auth: bearer() });
  assert.deepEqual(await send("GET", `${path}/credentials/${made.id}`), made);
  assert.equal((await send("DELETE", `${path}/credentials/${made.id}`)).type, "vault_credential_deleted");
  assert.equal((await send("DELETE", path)).type, "vault_deleted");
});
