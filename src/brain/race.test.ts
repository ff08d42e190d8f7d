import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Database } from "../db/database.ts";
import { testDatabase } from "../db/testing.ts";
import { append } from "../log/append.ts";
import { claim, type Lease, reap } from "../log/lease.ts";
import { drive, type Effects } from "./drive.ts";
import {
  calls,
  factsOf,
  livingProcess,
  message,
  never,
  type Script,
  says,
  type TestSession,
  testSession,
} from "./testing.ts";

const db = await testDatabase();
after(() => db.close());

const instant = "2026-11-21T12:00:00.000000Z";
const [first, second] = [1, 2];

/** The clock stands still, so that no time can say who came first. */
before(async () => {
  const text = `create or replace function drover_now() returns timestamptz language sql stable as
    $$ select timestamptz '${instant}' $$`;
  await db.query({ name: "stopped_clock", text }, []);
});

const script: Script = (request) => (request.messages.length === 1 ? calls("bash one") : says("It ran."));

async function sessionToDrive(): Promise<TestSession> {
  const session = await testSession(db, script);
  await session.send(message("Run it"));
  for (const owner of [first, second]) await livingProcess(db, owner);
  return session;
}

/** Does something and keeps its locks until it is released. */
async function holding<Result>(run: (db: Database) => Promise<Result>) {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const done = Promise.withResolvers<Result>();
  const committed = db.transaction(async (tx) => {
    done.resolve(await run(tx));
    await released;
  });
  committed.catch(done.reject);
  return {
    result: await done.promise,
    async release() {
      release();
      await committed;
    },
  };
}

/** Somebody in this database waits for a lock. */
async function untilBlocked(): Promise<void> {
  const text = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
  while ((await db.query({ name: "blocked", text }, [])).length === 0);
}

const leaseOf = (leases: Lease[], { id }: TestSession): Lease =>
  leases.find(({ session_id }) => session_id === id) ?? assert.fail("the session was not claimed");

/** What `owner` does when it finds that the others are dead. */
async function takeOver(within: Database, owner: number, session: TestSession): Promise<Lease> {
  assert.ok((await reap(within, owner)).includes(session.id));
  return leaseOf(await claim(within, owner, 100), session);
}

const driveBy = (session: TestSession, lease: Lease, changed: Partial<Effects> = {}) =>
  drive(
    factsOf(session),
    lease,
    session.effects(lease, { now: () => Date.parse(instant), ...changed }),
    never,
  );

async function assertOneTurn(session: TestSession): Promise<void> {
  const entries = await session.entries();
  const count = (type: string) => entries.filter((entry) => entry.type === type).length;
  assert.deepEqual(session.ran, ["bash one"]);
  for (const type of ["agent.tool_use", "agent.tool_result", "agent.message", "session.status_idle"])
    assert.equal(count(type), 1, type);
  assert.equal(count("span.model_request_start"), count("span.model_request_end"));
  assert.deepEqual(
    entries.map(({ seq }) => seq),
    entries.map((_, i) => i + 1),
  );
  const since = entries.map(({ created_at }) => Date.parse(created_at) - Date.parse(instant));
  assert.ok(
    since.every((ms) => ms === 0),
    "the clock did not stand still",
  );
}

describe("two brains claim one session at the same instant", () => {
  for (const [winner, loser] of [
    [first, second],
    [second, first],
  ] as const) {
    test(`the one that comes first has it: ${winner}`, async () => {
      const session = await sessionToDrive();
      const held = await holding((tx) => claim(tx, winner, 100));
      assert.deepEqual(await claim(db, loser, 100), [], "what is being claimed is passed over");
      await held.release();
      assert.deepEqual(await claim(db, loser, 100), [], "what is claimed is not to be had");
      assert.equal(await driveBy(session, leaseOf(held.result, session)), "parked");
      await assertOneTurn(session);
    });
  }
});

describe("a brain that is taken for dead writes in the instant in which another one takes over", () => {
  test("it comes first: what it wrote stands, and it writes no more", async () => {
    const session = await sessionToDrive();
    const own = leaseOf(await claim(db, first, 100), session);
    const wrote = Promise.withResolvers<() => Promise<void>>();
    const overtaken = Promise.withResolvers<void>();
    let appends = 0;
    const old = driveBy(session, own, {
      async append(request) {
        appends += 1;
        if (appends > 1) {
          await overtaken.promise;
          const [late] = await append(db, [request], 0);
          return late ?? assert.fail();
        }
        const held = await holding((tx) => append(tx, [request], 0));
        wrote.resolve(held.release);
        return held.result[0] ?? assert.fail();
      },
    });
    const release = await wrote.promise;
    const taking = takeOver(db, second, session);
    await untilBlocked();
    await release();
    const lease = await taking;
    overtaken.resolve();
    assert.equal(await old, "lost");
    const before = await session.entries();
    assert.equal(before.at(-1)?.type, "span.model_request_start");
    assert.equal(await driveBy(session, lease), "parked");
    assert.deepEqual((await session.entries()).slice(0, before.length), before);
    await assertOneTurn(session);
  });

  test("it comes second: nothing that it writes stands", async () => {
    const session = await sessionToDrive();
    const own = leaseOf(await claim(db, first, 100), session);
    const before = await session.entries();
    const held = await holding((tx) => takeOver(tx, second, session));
    const old = driveBy(session, own);
    await untilBlocked();
    await held.release();
    assert.equal(await old, "lost");
    assert.deepEqual(await session.entries(), before);
    assert.equal(await driveBy(session, held.result), "parked");
    await assertOneTurn(session);
  });
});
