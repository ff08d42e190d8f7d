import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { type FakeOAuth, startFakeOAuth } from "../../../test/fakes/oauth.ts";
import { type DatabasePool, openDatabase } from "../../db/database.ts";
import { DatabaseUnavailable } from "../../db/errors.ts";
import { testDatabase } from "../../db/testing.ts";
import { limits } from "../../limits.ts";
import { createGuard, type Guard } from "../../net/guard.ts";
import { freshMasterKey, masterKeyOf } from "../../vault/master-key.ts";
import { createSeal, type Seal } from "../../vault/seal.ts";
import { CredentialUnusable, type McpBearers } from "../../vault/secrets.ts";
import { createBearers } from "./bearers.ts";
import { createRefreshing, type Refreshing } from "./refresh.ts";
import { mcpRows } from "./testing.ts";

const db = await testDatabase();
const seal = createSeal(masterKeyOf(freshMasterKey()));
const rows = mcpRows(db, seal);
let guard: Guard;
let fake: FakeOAuth;
let troubles: string[];
const pools: DatabasePool[] = [];

before(() => {
  guard = createGuard({ allow_private_hosts: ["127.0.0.1"] });
});
after(async () => {
  await guard.close();
  for (const pool of pools) await pool.close();
  await db.close();
});
beforeEach(async () => {
  fake = await startFakeOAuth();
  troubles = [];
});
afterEach(() => fake.close());

type Side = McpBearers & { refreshing: Refreshing };

/** As one process has them, over connections of its own. */
function side(over: { db?: DatabasePool; seal?: Seal } = {}): Side {
  const pool = over.db ?? openDatabase({ url: db.url, connections: 2 });
  if (!over.db) pools.push(pool);
  const trouble = (message: string) => void troubles.push(message);
  const parts = { db: pool, seal: over.seal ?? seal, guard, trouble };
  const refreshing = createRefreshing(parts);
  return { ...createBearers({ ...parts, refreshing }), refreshing };
}

const one = side();

/** A session with one vault in which there is one OAuth credential. */
async function oauthSession(options: Parameters<typeof rows.oauth>[2] = {}) {
  const vault = await rows.vault();
  const credential = await rows.oauth(vault, fake, options);
  const session = await rows.session([vault]);
  return { vault, credential, session };
}

const expired = { expires_in: -1 };
const find = (session: string, bearers: McpBearers = one) => bearers.find("w", session, fake.mcp_url);

async function unusable(promise: Promise<unknown>, why: RegExp): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof CredentialUnusable, String(error));
    assert.match(error.message, why);
    for (const secret of [fake.access_token, fake.refresh_token]) assert.ok(!error.message.includes(secret));
    return true;
  });
}

async function eventually<T>(look: () => Promise<T>, isDone: (found: T) => boolean): Promise<T> {
  for (;;) {
    const found = await look();
    if (isDone(found)) return found;
  }
}

describe("the bearer of an MCP server", () => {
  test("is that of the first vault that has one, however the server's URL is spelled", async () => {
    const [empty, first, second] = [await rows.vault(), await rows.vault(), await rows.vault()];
    const url = "https://mcp.example/mcp";
    await rows.bearer(second, url, "of the second");
    const credential_id = await rows.bearer(first, "https://MCP.example:443/mcp/", "of the first");
    await rows.bearer(first, "https://mcp.example/other", "of another");
    const session = await rows.session([empty, first, second]);
    for (const spelled of [url, "HTTPS://mcp.Example:443/mcp/", `${url}#x`])
      assert.deepEqual(await one.find("w", session, spelled), {
        credential_id,
        vault_id: first,
        token: "of the first",
        secret_version: 1,
      });
    const token = async (ids: string[], at: string) =>
      (await one.find("w", await rows.session(ids), at))?.token;
    assert.equal(await token([second, first], url), "of the second");
    assert.equal(await token([first], "https://mcp.example/other"), "of another");
    for (const other of [
      "http://mcp.example/mcp",
      `${url}/x`,
      `${url}?a=1`,
      "https://mcp.example",
      "nonsense",
    ])
      assert.equal(await token([first, second], other), undefined, other);
    assert.equal(await token([], url), undefined);
    await rows.archive(credential_id);
    assert.equal(await token([first, second], url), "of the second");
  });

  test("is nobody else's: not of another workspace, and not of one whose row was moved", async () => {
    const vault = await rows.vault();
    const credential = await rows.bearer(vault, fake.mcp_url, "token");
    const session = await rows.session([vault]);
    assert.equal(await one.find("other", session, fake.mcp_url), null);
    const theirs = mcpRows(db, seal, "other");
    const theirVault = await theirs.vault();
    const stolen = await theirs.session([vault, theirVault]);
    assert.equal(await one.find("other", stolen, fake.mcp_url), null);
    await rows.run("update credential set workspace_id = 'other', vault_id = $2 where id = $1", [
      credential,
      theirVault,
    ]);
    await unusable(one.find("other", stolen, fake.mcp_url), /cannot be opened by this server/);
    assert.equal(troubles.length, 1);
  });

  test("is not had by a server that lacks the master key, which says so", async () => {
    const { session } = await oauthSession();
    const other = side({ seal: createSeal(masterKeyOf(freshMasterKey())) });
    await unusable(find(session, other), /cannot be opened by this server/);
  });

  test("that was refused is another one only if it was changed meanwhile", async () => {
    const vault = await rows.vault();
    const credential = await rows.bearer(vault, fake.mcp_url, "old");
    const session = await rows.session([vault]);
    const bearer = (await find(session)) ?? assert.fail();
    assert.equal(await one.renew("w", session, bearer), null);
    await rows.replace(credential, { type: "static_bearer", token: "new" });
    assert.equal((await one.renew("w", session, bearer))?.token, "new");
    await rows.archive(credential);
    assert.equal(await one.renew("w", session, bearer), null);
    await rows.run("delete from credential where id = $1", [credential]);
    assert.equal(await one.renew("w", session, bearer), null);
  });

  test("is noted when it was used", async () => {
    const { session, credential } = await oauthSession();
    const bearer = (await find(session)) ?? assert.fail();
    one.note("w", session, bearer, "mcp.example", "sent 200");
    const uses = await eventually(
      () => rows.uses(session),
      (found) => found.length > 0,
    );
    assert.deepEqual(uses, [
      { credential_id: credential, type: "mcp", host: "mcp.example", outcome: "sent 200" },
    ]);
    one.note("w", "sesn_01nobody", bearer, "mcp.example", "sent 200");
  });
});

describe("an access token", () => {
  test("is used while it is good, and refreshed when it expires or has", async () => {
    const good = await oauthSession({ expires_in: 600 });
    assert.equal((await find(good.session))?.token, "access-0-of-the-fake");
    const endless = await oauthSession({ expires_in: null });
    assert.equal((await find(endless.session))?.token, "access-0-of-the-fake");
    assert.equal(fake.refreshes.length, 0);
    const soon = await oauthSession({ expires_in: limits.oauth_leeway_ms / 1_000 - 5 });
    assert.equal((await find(soon.session))?.token, "access-1-of-the-fake");
    const { credential, session } = await oauthSession(expired);
    assert.equal((await find(session))?.token, "access-2-of-the-fake");
    const { secret, secret_version, auth, refresher } = await rows.secretOf(credential);
    assert.deepEqual(secret, {
      type: "mcp_oauth",
      access_token: "access-2-of-the-fake",
      refresh_token: "refresh-2-of-the-fake",
      client_secret: null,
    });
    assert.equal(secret_version, 2);
    assert.equal(refresher, null);
    const left_s = (Date.parse(auth.expires_at ?? "") - Date.now()) / 1_000;
    assert.ok(left_s > 3_000 && left_s <= 3_600, String(auth.expires_at));
    assert.equal((await find(session))?.token, "access-2-of-the-fake");
    assert.equal(fake.refreshes.length, 2);
    const uses = await eventually(
      () => rows.uses(session),
      (found) => found.length > 0,
    );
    const { host } = new URL(fake.token_endpoint);
    assert.deepEqual(uses, [{ credential_id: credential, type: "oauth_refresh", host, outcome: "sent 200" }]);
  });

  test("that lives for seconds is not refreshed at each use", async () => {
    fake.settings.expires_in = 20;
    const { session } = await oauthSession(expired);
    await find(session);
    await find(session);
    assert.equal(fake.refreshes.length, 1);
  });

  test("that has expired when it comes is used all the same, and not refreshed again and again", async () => {
    fake.settings.expires_in = 1e-6;
    const { session } = await oauthSession(expired);
    assert.equal((await find(session))?.token, "access-1-of-the-fake");
    assert.equal(fake.refreshes.length, 1);
    assert.equal((await find(session))?.token, "access-2-of-the-fake");
    assert.equal(fake.refreshes.length, 2);
  });

  test("of which nobody says how long it lives is used until it is refused", async () => {
    fake.settings.expires_in = null;
    const { credential, session } = await oauthSession(expired);
    const bearer = (await find(session)) ?? assert.fail();
    assert.equal((await rows.secretOf(credential)).auth.expires_at, null);
    await find(session);
    assert.equal(fake.refreshes.length, 1);
    assert.equal((await one.renew("w", session, bearer))?.token, "access-2-of-the-fake");
  });

  test("without a refresh token is sent as long as the server takes it", async () => {
    const { session } = await oauthSession({ ...expired, refresh: false });
    const bearer = (await find(session)) ?? assert.fail();
    assert.equal(bearer.token, "access-0-of-the-fake");
    assert.equal(await one.renew("w", session, bearer), null);
    assert.equal(fake.refreshes.length, 0);
  });

  test("comes with a new refresh token, or the old one stays", async () => {
    fake.settings.rotates = false;
    const { credential, session } = await oauthSession(expired);
    let bearer = (await find(session)) ?? assert.fail();
    for (let n = 2; n < 4; n += 1) {
      bearer = (await one.renew("w", session, bearer)) ?? assert.fail();
      const { secret } = await rows.secretOf(credential);
      assert.ok(secret.type === "mcp_oauth" && secret.refresh_token === "refresh-0-of-the-fake");
      assert.equal(bearer.token, `access-${n}-of-the-fake`);
    }
    fake.settings.rotates = true;
    await one.renew("w", session, bearer);
    const { secret } = await rows.secretOf(credential);
    assert.ok(secret.type === "mcp_oauth" && secret.refresh_token === "refresh-4-of-the-fake");
  });
});

describe("many who want one token refreshed", () => {
  test("on two sides have it done once, and take what came of it", async () => {
    const other = side();
    const sessions = await Promise.all(Array.from({ length: 3 }, () => rows.session([])));
    const { vault, session } = await oauthSession(expired);
    for (const each of sessions)
      await rows.run("update session set vault_ids = $2 where id = $1", [each, [vault]]);
    const all = [session, ...sessions];
    const asking = Array.from({ length: 20 }, (_, n) => find(all[n % 4] ?? "", n % 2 ? one : other));
    const bearers = await Promise.all(asking);
    assert.equal(fake.refreshes.length, 1);
    for (const bearer of bearers) {
      assert.equal(bearer?.token, "access-1-of-the-fake");
      assert.equal(bearer?.secret_version, 2);
    }
    const [refused] = bearers;
    const renewing = Array.from({ length: 20 }, (_, n) =>
      (n % 2 ? one : other).renew("w", all[n % 4] ?? "", refused ?? assert.fail()),
    );
    for (const bearer of await Promise.all(renewing)) assert.equal(bearer?.token, "access-2-of-the-fake");
    assert.equal(fake.refreshes.length, 2);
  });

  test("hold no connection while they wait", async () => {
    const { session } = await oauthSession(expired);
    const gate = Promise.withResolvers<null>();
    fake.settings.onRefresh = () => gate.promise;
    const asking = Array.from({ length: 20 }, () => find(session));
    await fake.heard.until(() => fake.refreshes[0]);
    // Of two connections.
    const small = openDatabase({ url: db.url, connections: 1 });
    pools.push(small);
    const others = side({ db: small });
    const waiting = Array.from({ length: 5 }, () => find(session, others));
    await small.query({ name: "", text: "select 1" }, []);
    gate.resolve(null);
    for (const bearer of await Promise.all([...asking, ...waiting]))
      assert.equal(bearer?.token, "access-1-of-the-fake");
    assert.equal(fake.refreshes.length, 1);
  });

  test("do not wait for it while the old one is still good", async () => {
    const { session } = await oauthSession({ expires_in: 30 });
    const gate = Promise.withResolvers<null>();
    fake.settings.onRefresh = () => gate.promise;
    const winner = find(session);
    await fake.heard.until(() => fake.refreshes[0]);
    assert.equal((await find(session, side()))?.token, "access-0-of-the-fake");
    gate.resolve(null);
    assert.equal((await winner)?.token, "access-1-of-the-fake");
  });

  test("take the turn of one who is not heard of any more, and what that one got after all", async () => {
    const { credential, session } = await oauthSession(expired);
    fake.settings.rotates = false;
    const gates = [Promise.withResolvers<null>(), Promise.withResolvers<null>()] as const;
    fake.settings.onRefresh = () => (gates[fake.refreshes.length - 1] ?? gates[1]).promise;
    const slow = find(session);
    await fake.heard.until(() => fake.refreshes[0]);
    const next = find(session, side());
    await rows.run("update credential set refresh_until = drover_now() where id = $1", [credential]);
    await fake.heard.until(() => fake.refreshes[1]);
    // The first one comes first after all: what the second one gets is not written over it.
    gates[0].resolve(null);
    assert.equal((await slow)?.token, "access-1-of-the-fake");
    gates[1].resolve(null);
    assert.equal((await next)?.token, "access-1-of-the-fake");
    assert.equal((await rows.secretOf(credential)).secret_version, 2);
  });
});

describe("what a client does while a token is refreshed wins", () => {
  async function during(act: (credential: string) => Promise<unknown>) {
    const made = await oauthSession(expired);
    const gate = Promise.withResolvers<null>();
    fake.settings.onRefresh = () => gate.promise;
    const finding = find(made.session);
    await fake.heard.until(() => fake.refreshes[0]);
    await act(made.credential);
    gate.resolve(null);
    return { ...made, finding };
  }

  test("a new secret", async () => {
    const fresh = { access_token: "by hand", refresh_token: "by hand too", client_secret: null };
    const { credential, finding } = await during(async (id) => {
      await rows.replace(id, { type: "mcp_oauth", ...fresh });
      const at = new Date(Date.now() + 3_600_000).toISOString();
      const setExpiry =
        "update credential set auth = jsonb_set(auth::jsonb, '{expires_at}', to_jsonb($2::text))::json where id = $1";
      await rows.run(setExpiry, [id, at]);
    });
    assert.equal((await finding)?.token, "by hand");
    const { secret, refresher } = await rows.secretOf(credential);
    assert.deepEqual(secret, { type: "mcp_oauth", ...fresh });
    assert.equal(refresher, null);
  });

  test("its archiving", async () => {
    const { credential, finding } = await during((id) => rows.archive(id));
    assert.equal(await finding, null);
    const [row] = await rows.run("select secret from credential where id = $1", [credential]);
    assert.deepEqual(row, { secret: null });
  });

  test("its deletion", async () => {
    const { finding } = await during((id) => rows.run("delete from credential where id = $1", [id]));
    assert.equal(await finding, null);
  });
});

describe("a refresh that fails", () => {
  test("is said, noted, and not tried again at once, until the secret is another one", async () => {
    const { credential, session } = await oauthSession(expired);
    fake.settings.onRefresh = () => ({ status: 400, body: { error: "invalid_grant" } });
    const why = /has expired, and it could not be refreshed: 127\.0\.0\.1:\d+ answers 400 \(invalid_grant\)$/;
    await unusable(find(session), why);
    await unusable(find(session), why);
    await unusable(find(session, side()), why);
    assert.equal(fake.refreshes.length, 1);
    const uses = (await eventually(
      () => rows.uses(session),
      (found) => found.length > 0,
    )) as { outcome: string }[];
    assert.deepEqual(
      uses.map(({ outcome }) => outcome),
      ["sent 400"],
    );
    fake.settings.onRefresh = undefined;
    const refresh_token = fake.refresh_token;
    await rows.replace(credential, {
      type: "mcp_oauth",
      access_token: "old",
      refresh_token,
      client_secret: null,
    });
    assert.equal((await find(session))?.token, "access-1-of-the-fake");
    const [row] = await rows.run("select refresh_failures, refresh_failure from credential where id = $1", [
      credential,
    ]);
    assert.deepEqual(row, { refresh_failures: 0, refresh_failure: null });
  });

  /** For how long nobody tries again, from now on. */
  async function restOf(credential: string): Promise<{ ms: number; times: number }> {
    const [row] = (await rows.run(
      `select extract(epoch from refresh_rest_until - drover_now())::float8 * 1000 as ms, refresh_failures as times
        from credential where id = $1`,
      [credential],
    )) as [{ ms: number; times: number }];
    return row;
  }
  const endRest = (credential: string) =>
    rows.run("update credential set refresh_rest_until = drover_now() where id = $1", [credential]);

  test("rests longer each time, up to a bound", async () => {
    const { credential, session } = await oauthSession(expired);
    fake.settings.onRefresh = () => ({ status: 503, body: "busy" });
    const rests: number[] = [];
    for (let n = 0; n < 9; n += 1) {
      await unusable(find(session), /answers 503$/);
      const { ms, times } = await restOf(credential);
      assert.equal(times, n + 1);
      rests.push(ms);
      await endRest(credential);
    }
    assert.equal(fake.refreshes.length, 9);
    const expected = (n: number) => Math.min(limits.oauth_rest_first_ms * 2 ** n, limits.oauth_rest_ms_max);
    // The clock goes on while it is looked.
    for (const [n, ms] of rests.entries()) assert.ok(ms <= expected(n), `${n}: ${ms}`);
    assert.ok((rests.at(-1) ?? 0) > expected(5) / 2);
  });

  test("rests for as long as the endpoint asks for, up to a bound, and no shorter than else", async () => {
    const { credential, session } = await oauthSession(expired);
    const hour = limits.oauth_rest_asked_ms_max;
    const cases: [status: number, says: string, above_ms: number, most_ms: number][] = [
      [429, "600", 300_000, 600_000],
      [503, new Date(Date.now() + 1_200_000).toUTCString(), 600_000, 1_200_000],
      [503, "9".repeat(400), hour / 2, hour],
      [429, "soon", 0, limits.oauth_rest_ms_max],
      [429, "-1", 0, limits.oauth_rest_ms_max],
      [400, "1", limits.oauth_rest_refused_ms / 2, limits.oauth_rest_refused_ms],
    ];
    for (const [n, [status, says, above_ms, most_ms]] of cases.entries()) {
      fake.settings.onRefresh = () => ({ status, headers: { "retry-after": says } });
      await unusable(find(session), new RegExp(`answers ${status}$`));
      const { ms } = await restOf(credential);
      assert.ok(ms > above_ms && ms <= most_ms, `${says}: ${ms}`);
      await unusable(find(session, side()), new RegExp(`answers ${status}$`));
      assert.equal(fake.refreshes.length, n + 1);
      await endRest(credential);
    }
  });

  test("does no harm while the old token is good, and a token that was refused stays that", async () => {
    fake.settings.onRefresh = () => ({ end: "cut" });
    const { session } = await oauthSession({ expires_in: 30 });
    const bearer = (await find(session)) ?? assert.fail();
    assert.equal(bearer.token, "access-0-of-the-fake");
    await unusable(
      one.renew("w", session, bearer),
      /was refused, and it could not be refreshed: .* cannot be/,
    );
  });

  test("is one where the guard is against the token endpoint", async () => {
    const { credential, session } = await oauthSession(expired);
    await rows.run(
      "update credential set auth = replace(auth::text, '127.0.0.1', '127.0.0.2')::json where id = $1",
      [credential],
    );
    await unusable(find(session), /127\.0\.0\.2 is not a public address/);
    const [use] = (await eventually(
      () => rows.uses(session),
      (found) => found.length > 0,
    )) as { outcome: string }[];
    assert.match(use?.outcome ?? "", /is not a public address/);
  });

  test("because nobody can open its secret frees the turn", async () => {
    const { credential } = await oauthSession(expired);
    await rows.run("update credential set secret = 'v1:x:y:z' where id = $1", [credential]);
    const at = { workspace_id: "w", credential_id: credential, secret_version: 1 };
    await assert.rejects(one.refreshing.refresh(at, { anyhow: false, wait: true }));
    const [row] = await rows.run("select refresher from credential where id = $1", [credential]);
    assert.deepEqual(row, { refresher: null });
  });
});

test("new tokens are written again when the database was away, also if it had written them", async () => {
  for (const mayHaveRun of [false, true]) {
    const { credential, session } = await oauthSession(expired);
    const pool = openDatabase({ url: db.url, connections: 2 });
    pools.push(pool);
    let failures = 0;
    const flaky: DatabasePool = {
      ...pool,
      async query<Row>(statement: Parameters<DatabasePool["query"]>[0], values: unknown[]): Promise<Row[]> {
        if (statement.name !== "refresh_write" || failures === 2) return pool.query<Row>(statement, values);
        failures += 1;
        if (mayHaveRun) await pool.query(statement, values);
        throw new DatabaseUnavailable("gone for a moment", { mayHaveRun });
      },
    };
    const bearer = await find(session, side({ db: flaky }));
    assert.equal(failures, 2);
    assert.equal(bearer?.token, fake.access_token);
    assert.equal((await rows.secretOf(credential)).secret_version, 2);
  }
  assert.deepEqual(troubles, []);
});
