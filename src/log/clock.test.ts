import assert from "node:assert/strict";
import { after, afterEach, describe, test } from "node:test";
import { livingProcess, message, testSession } from "../brain/testing.ts";
import { testDatabase } from "../db/testing.ts";
import { append } from "./append.ts";
import { claim, reap } from "./lease.ts";

const db = await testDatabase();
after(() => db.close());
afterEach(() => moveClock(0));

const hour_ms = 3_600_000;

/** The one clock of the database, away from the true time. */
async function moveClock(by_ms: number): Promise<void> {
  await db.query(
    {
      name: `clock_${by_ms}`,
      text: `create or replace function drover_now() returns timestamptz language sql stable as
        $$ select clock_timestamp() + interval '${by_ms} milliseconds' $$`,
    },
    [],
  );
}

async function claimedBy(owner: number): Promise<string[]> {
  await livingProcess(db, owner);
  return (await claim(db, owner, 1_000)).map(({ session_id }) => session_id);
}

describe("a clock that was ahead and goes back", () => {
  test("does not hold up a session that is sent a message", async () => {
    const session = await testSession(db, () => []);
    await moveClock(hour_ms);
    await session.send(message("One"));
    const lease = await session.claim();
    const run = { type: "park", after_ms: null } as const;
    await append(db, [{ ...lease, entries: [], lease, run }], 0);
    await moveClock(0);
    await session.send(message("Two"));
    assert.deepEqual(await claimedBy(1), [session.id]);
    const times = (await session.entries()).map(({ created_at }) => created_at);
    assert.deepEqual(times, times.toSorted(), "an entry is older than one before it");
    const appends = [...new Set(times)];
    assert.equal(appends.length, 2, "two appends have the same time");
  });

  test("does not hold up a session that waited for a time", async () => {
    const session = await testSession(db, () => []);
    await moveClock(hour_ms);
    await session.send(message("One"));
    const lease = await session.claim();
    const run = { type: "park", after_ms: 10_000 } as const;
    await append(db, [{ ...lease, entries: [], lease, run }], 0);
    assert.deepEqual(await claimedBy(2), [], "it is claimed before its time");
    await moveClock(0);
    assert.deepEqual(await claimedBy(2), [session.id]);
  });

  test("does not keep a process alive that beats no more", async () => {
    const session = await testSession(db, () => []);
    await session.send(message("One"));
    const holder = await db.connect();
    await moveClock(hour_ms);
    await livingProcess(db, 77);
    await holder.query("select pg_advisory_lock($1, 77)", [0x44_52_4f]);
    assert.deepEqual(await claimedBy(77), [session.id]);
    assert.ok(!(await reap(db, null)).includes(session.id), "it lives as long as its beat is new");
    await moveClock(0);
    assert.ok((await reap(db, null)).includes(session.id));
    await holder.end();
  });
});
