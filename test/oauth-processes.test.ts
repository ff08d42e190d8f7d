import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { type FakeOAuth, startFakeOAuth } from "./fakes/oauth.ts";
import { countDeaths } from "./harness/deaths.ts";
import { freePort } from "./harness/free-port.ts";
import { newOAuthCredential, type OAuthCredential, validate } from "./harness/oauth.ts";
import { type Processes, type Serve, startProcesses } from "./harness/processes.ts";

const deaths = countDeaths("credentials");
let processes: Processes;
let servers: [Serve, Serve];
let fake: FakeOAuth;

const serve = async () => processes.serve(await freePort(), "--roles", "api");

before(async () => {
  const settings = { DROVER_ALLOW_PRIVATE_HOSTS: "127.0.0.1" };
  processes = await startProcesses({ crashable: true, settings });
  servers = [await serve(), await serve()];
});
after(() => processes.close());
beforeEach(async () => {
  fake = await startFakeOAuth();
});
afterEach(() => fake.close());

const at = (n: number) => servers[n % 2] ?? assert.fail();
const run = (text: string, values: unknown[]) => processes.db.query({ name: "", text }, values);
/** As if so much time had passed that nobody waits for its refresher any more. */
const outwait = ({ id }: OAuthCredential) =>
  run("update credential set refresh_until = drover_now() where id = $1 and refresher is not null", [id]);

test("20 at once on two servers refresh a token once, again and again", async () => {
  const credential = await newOAuthCredential(servers[0].client, fake);
  for (let round = 1; round <= 3; round += 1) {
    fake.expire();
    const asking = Array.from({ length: 20 }, (_, n) => validate(at(n).client, credential));
    for (const { status, mcp_probe } of await Promise.all(asking))
      assert.deepEqual([status, mcp_probe], ["valid", null]);
    assert.equal(fake.refreshes.length, round);
  }
});

test("an authorization server that is away is asked anew by each round, and found when it is back", async () => {
  const credential = await newOAuthCredential(servers[0].client, fake);
  fake.expire();
  fake.settings.onRefresh = () => ({ status: 503 });
  const asking = Array.from({ length: 20 }, (_, n) => validate(at(n).client, credential));
  for (const { status } of await Promise.all(asking)) assert.equal(status, "unknown");
  fake.settings.onRefresh = undefined;
  assert.equal((await validate(servers[1].client, credential)).status, "valid");
});

describe("a server dies while it refreshes, and the next one goes on", () => {
  test("refresh_asked: nothing was asked, and nothing is lost", async () => {
    const credential = await newOAuthCredential(servers[1].client, fake);
    fake.expire();
    const [doomed, other] = servers;
    await deaths.at(doomed, "refresh_asked", () => assert.rejects(validate(doomed.client, credential)));
    assert.equal(fake.refreshes.length, 0);
    const waiting = Array.from({ length: 5 }, () => validate(other.client, credential));
    await outwait(credential);
    for (const { status } of await Promise.all(waiting)) assert.equal(status, "valid");
    assert.equal(fake.refreshes.length, 1);
    servers = [await serve(), other];
  });

  test("refresh_answered: what was given is lost, and with it the credential where the old one is not taken", async () => {
    const credential = await newOAuthCredential(servers[1].client, fake);
    fake.expire();
    const [doomed, other] = servers;
    await deaths.at(doomed, "refresh_answered", () => assert.rejects(validate(doomed.client, credential)));
    assert.equal(fake.refreshes.length, 1);
    await outwait(credential);
    const { status, refresh } = await validate(other.client, credential);
    assert.deepEqual([status, refresh?.status], ["invalid", "failed"]);
    assert.match(refresh?.http_response?.body ?? "", /invalid_grant/);
    servers = [await serve(), other];
  });

  test("refresh_answered: where the old one is taken, it goes on", async () => {
    fake.settings.rotates = false;
    const credential = await newOAuthCredential(servers[1].client, fake);
    fake.expire();
    const [doomed, other] = servers;
    await deaths.at(doomed, "refresh_answered", () => assert.rejects(validate(doomed.client, credential)));
    await outwait(credential);
    assert.equal((await validate(other.client, credential)).status, "valid");
    assert.equal(fake.refreshes.length, 2);
    servers = [await serve(), other];
  });
});

/** A new credential, whose refresh this server has asked for. It is answered when that is allowed. */
async function heldRefresh({ client }: Serve) {
  const credential = await newOAuthCredential(client, fake);
  fake.expire();
  const gate = Promise.withResolvers<null>();
  fake.settings.onRefresh = () => gate.promise;
  const asking = validate(client, credential);
  await fake.heard.until(() => fake.refreshes[0]);
  return { credential, asking, answer: () => gate.resolve(null) };
}

test("one that is told to stop keeps what it has asked for", async () => {
  const [stopping, other] = servers;
  const { credential, asking, answer } = await heldRefresh(stopping);
  const stopped = stopping.stop();
  answer();
  const [code] = await Promise.all([stopped, asking.catch(() => {})]);
  assert.equal(code, 0);
  assert.equal((await validate(other.client, credential)).refresh, null);
  assert.equal(fake.refreshes.length, 1);
  servers = [await serve(), other];
});

test("one that was frozen while it refreshed does not write over what came since", async () => {
  fake.settings.rotates = false;
  const [frozen, other] = servers;
  const { credential, asking, answer } = await heldRefresh(frozen);
  frozen.freeze();
  answer();
  await outwait(credential);
  assert.equal((await validate(other.client, credential)).status, "valid");
  const { access_token } = fake;
  frozen.thaw();
  // It finds the other's token, and that is good.
  assert.equal((await asking).status, "valid");
  assert.equal(fake.access_token, access_token);
  assert.equal((await validate(other.client, credential)).refresh, null);
});

test("a secret that a client sets while the old one is refreshed stays", async () => {
  const { credential, asking, answer } = await heldRefresh(servers[0]);
  const { vault_id, id } = credential;
  const auth = {
    type: "mcp_oauth",
    access_token: "by-hand",
    refresh: { refresh_token: "by-hand-too" },
  } as const;
  await servers[1].client.beta.vaults.credentials.update(id, { vault_id, auth });
  answer();
  assert.equal((await asking).status, "invalid");
  fake.settings.onRefresh = undefined;
  fake.access_token = "by-hand";
  assert.equal((await validate(servers[0].client, credential)).status, "valid");
  fake.expire();
  fake.refresh_token = "by-hand-too";
  const { status, refresh } = await validate(servers[1].client, credential);
  assert.deepEqual([status, refresh?.status], ["valid", "succeeded"]);
});

test("a client that sets another part of the secret meanwhile does not lose the refresh token that was given", async () => {
  const { credential, asking, answer } = await heldRefresh(servers[0]);
  const { vault_id, id } = credential;
  const auth = { type: "mcp_oauth", access_token: "by-hand", expires_at: "2999-01-01T00:00:00Z" } as const;
  await servers[1].client.beta.vaults.credentials.update(id, { vault_id, auth });
  answer();
  // What the client has set stays.
  assert.equal((await asking).status, "invalid");
  fake.settings.onRefresh = undefined;
  fake.access_token = "by-hand";
  assert.equal((await validate(servers[1].client, credential)).status, "valid");
  const shown = await servers[1].client.beta.vaults.credentials.retrieve(id, { vault_id });
  assert.ok("expires_at" in shown.auth && shown.auth.expires_at === auth.expires_at);
  // The fake takes the one that it has given last, and no other.
  fake.expire();
  const { status, refresh } = await validate(servers[1].client, credential);
  assert.deepEqual([status, refresh?.status], ["valid", "succeeded"]);
});

test("every place where a refresher may die was met", () => deaths.assertComplete());
