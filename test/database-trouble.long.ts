import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { APIError } from "@anthropic-ai/sdk";
import pg from "pg";
import { startFakeOAuth } from "./fakes/oauth.ts";
import { assertLogsWhole, assertOneActor } from "./harness/actors.ts";
import { newOAuthCredential, validate } from "./harness/oauth.ts";
import { canMount, type OwnPostgres, startOwnPostgres } from "./harness/own-postgres.ts";
import { type Reconnecting, reconnecting } from "./harness/reconnecting.ts";
import { startTestServer, type TestServer } from "./harness/server.ts";
import {
  type Facts,
  isIdle,
  listed,
  message,
  newSession,
  prepare,
  resultsIn,
  saidIn,
  send,
} from "./harness/session.ts";
import { heldCommand } from "./harness/workspace.ts";

let postgres: OwnPostgres;
let api: TestServer;
let facts: Facts;

before(async () => {
  postgres = await startOwnPostgres({ disk: canMount });
  api = await startTestServer({ db: postgres.db, allow_private_hosts: ["127.0.0.1"] });
  facts = await prepare(api.client);
});
after(async () => {
  await api.close();
  await postgres.close();
});

/** Begins a kind of trouble; what it returns ends it. */
type Trouble = () => Promise<() => Promise<void>>;

const restarted: Trouble = async () => {
  await postgres.stop();
  return postgres.start;
};

const readOnly: Trouble = async () => {
  await postgres.admin("alter role drover set default_transaction_read_only = on");
  await postgres.cutAll();
  return () => postgres.admin("alter role drover reset default_transaction_read_only");
};

const withoutConnections: Trouble = async () => {
  await postgres.admin("alter role drover connection limit 0");
  await postgres.cutAll();
  return () => postgres.admin("alter role drover connection limit -1");
};

/** Tables cannot grow; the database lives. */
const fullDisk: Trouble = async () => {
  postgres.fillDisk();
  return async () => postgres.emptyDisk();
};

/** Its own log cannot grow either: it ends, and cannot start before there is room. */
const fullDiskUnderItsLog: Trouble = async () => {
  postgres.fillDisk();
  for (;;) {
    const ended = await postgres
      .admin("select pg_switch_wal()", "create table if not exists a (n int)", "insert into a values (1)")
      .then(() => false)
      .catch(() => true);
    if (ended) break;
  }
  await postgres.stop();
  return async () => {
    await assert.rejects(postgres.start(), /the disk is full/);
    postgres.emptyDisk();
    await postgres.start();
  };
};

/** Somebody holds a lock that every append needs. */
const locked: Trouble = async () => {
  const client = new pg.Client({ connectionString: postgres.db.url });
  client.on("error", () => {});
  await client.connect();
  await client.query("begin; lock table session_head");
  return () => client.end();
};

async function refused(sent: Promise<unknown>): Promise<APIError> {
  const error = await sent.then(
    () => assert.fail("the request was answered"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof APIError, String(error));
  assert.equal(error.status, 503);
  return error;
}

interface Followed {
  id: string;
  client: Reconnecting;
}

async function begun(): Promise<Followed> {
  const { id } = await newSession(api.client, facts);
  return { id, client: reconnecting(api.client, id) };
}

/** Clients repeat what a 503 has refused. */
async function sendUntilTaken(id: string, text: string): Promise<void> {
  for (;;) {
    const answer = await send(api.client, id, message(text)).catch((error: unknown) => error);
    if (!(answer instanceof APIError)) return;
    assert.equal(answer.status, 503);
  }
}

/** Larger than what is left in the pages of a table. */
const largeText = randomBytes(200_000).toString("hex");

describe("while the database", () => {
  /** `reads`: it still answers questions. `acts`: it still takes what is small. */
  const kinds: [string, Trouble, { reads?: true; acts?: true; disk?: true }][] = [
    ["is restarted", restarted, {}],
    ["is read-only", readOnly, { reads: true }],
    ["has no connection left", withoutConnections, {}],
    ["makes statements wait", locked, {}],
    ["has a full disk", fullDisk, { reads: true, acts: true, disk: true }],
    ["has no room for its own log", fullDiskUnderItsLog, { disk: true }],
  ];
  for (const [what, begin, { reads, acts, disk }] of kinds) {
    const skip = disk && !canMount ? "only root may mount a small disk" : false;
    test(`${what}, requests are refused, nothing is done, and all goes on afterwards`, { skip }, async () => {
      const [running, idle] = [await begun(), await begun()];
      await send(api.client, idle.id, message("say before"));
      await idle.client.until(isIdle);
      const commands = `bash ${heldCommand}; touch ended\nthen\nbash echo after > second\nthen\nsay done`;
      await send(api.client, running.id, message(commands));
      const workspace = api.workspace(running.id);
      await workspace.written("runs");

      const end = await begin();
      workspace.release();
      while (!existsSync(workspace.path("ended"))) await pause(5);
      const once = { maxRetries: 0 };
      const lost = message(`say lost ${largeText}`);
      const write = refused(api.client.beta.sessions.events.send(idle.id, { events: [lost] }, once));
      const read = api.client.beta.sessions.retrieve(idle.id, {}, once);
      if (reads) assert.equal((await read).id, idle.id);
      else await refused(read);
      assert.equal((await write).headers?.get("retry-after"), "1");
      // The result of the first command could not be written, so nothing may follow it.
      if (!acts) assert.ok(!existsSync(workspace.path("second")));
      await end();

      await running.client.until(isIdle);
      await sendUntilTaken(idle.id, "say again");
      await idle.client.until(isIdle, 2);
      for (const { id, client } of [running, idle]) {
        await client.close();
        const events = await listed(api.client, id);
        assert.deepEqual(client.seen, events);
        assertOneActor(events);
      }
      assert.deepEqual(resultsIn(running.client.seen), ["1", "[No output.]"]);
      assert.equal(saidIn(idle.client.seen), "before\nagain");
      await assertLogsWhole(postgres.db);
    });
  }
});

describe("what a token endpoint has given is written when the database", () => {
  const kinds: [string, Trouble][] = [
    ["was restarted", restarted],
    ["was read-only", readOnly],
    ["had no connection left", withoutConnections],
  ];
  for (const [what, begin] of kinds) {
    test(what, async () => {
      const fake = await startFakeOAuth();
      const credential = await newOAuthCredential(api.client, fake);
      fake.expire();
      const gate = Promise.withResolvers<null>();
      fake.settings.onRefresh = () => gate.promise;
      const asking = validate(api.client, credential);
      await fake.heard.until(() => fake.refreshes[0]);
      const end = await begin();
      gate.resolve(null);
      // Time in which it cannot be written.
      await pause(1_000);
      await end();
      assert.equal((await asking).status, "valid");
      assert.equal(fake.refreshes.length, 1);
      fake.expire();
      assert.equal((await validate(api.client, credential)).refresh?.status, "succeeded");
      await fake.close();
    });
  }
});
