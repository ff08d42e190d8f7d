import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Database } from "../db/database.ts";
import { testDatabase } from "../db/testing.ts";
import type { Placement } from "../hands/placement.ts";
import { append } from "../log/append.ts";
import { draft } from "../log/entry.ts";
import { claim, type Lease, reap, release } from "../log/lease.ts";
import { placementsIn } from "../log/placement.ts";
import { newId } from "../protocol/ids.ts";
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

/** Who looks at the clock waits while another one holds this lock. */
const clockLock = 4_711;

/** The clock stands still, so that no time can say who came first. */
before(async () => {
  const text = `create or replace function drover_now() returns timestamptz language plpgsql volatile as
    $$ begin perform pg_advisory_xact_lock_shared(${clockLock}); return '${instant}'; end $$`;
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

/** Whoever does this waits for a lock, or has not had to. */
async function untilBlocked(doing: Promise<unknown>): Promise<void> {
  const text = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
  let isDone = false;
  const done = () => {
    isDone = true;
  };
  doing.then(done, done);
  while (!isDone && (await db.query({ name: "blocked", text }, [])).length === 0);
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

  test("one that looked before the other one had it does not take it as well", async () => {
    const session = await sessionToDrive();
    const held = await holding(async (tx) => {
      await tx.query({ name: "stop", text: "select pg_advisory_xact_lock($1)" }, [clockLock]);
      const looking = claim(db, second, 100);
      await untilBlocked(looking);
      return { looking, leases: await claim(tx, first, 100) };
    });
    leaseOf(held.result.leases, session);
    await held.release();
    assert.deepEqual(await held.result.looking, []);
  });
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
    await untilBlocked(taking);
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
    await untilBlocked(old);
    await held.release();
    assert.equal(await old, "lost");
    assert.deepEqual(await session.entries(), before);
    assert.equal(await driveBy(session, held.result), "parked");
    await assertOneTurn(session);
  });
});

describe("a lease ends in the instant in which its brain writes", () => {
  interface Held {
    session: TestSession;
    lease: Lease;
  }
  type Write = (within: Database, held: Held) => Promise<unknown>;

  const ends: Record<string, Write> = {
    "it is given back": (within, { lease }) => release(within, lease, 0),
    "its own process takes the session once more": async (within, { session, lease }) => {
      await release(within, lease, 0);
      leaseOf(await claim(within, first, 100), session);
    },
    "another one takes over": (within, { session }) => takeOver(within, second, session),
  };

  const writes: Record<string, Write> = {
    "an append": (within, { lease }) => append(within, [{ ...lease, entries: [said("late")], lease }], 0),
    "a first placement": (within, { lease }) => placementsIn(within).place(lease, "host_a"),
    "a move": (within, { lease }) => placementsIn(within).move(lease, firstPlace, "host_b"),
  };
  const givingBack: Write = (within, { lease }) => release(within, lease, 1_000);

  const said = (text: string) =>
    draft(
      "agent.message",
      { id: newId("event"), thread_id: "sthr_t", audience: "session" },
      { content: [{ type: "text", text }] },
    );

  const firstPlace: Placement = { host_id: "host_a", generation: 0, moved_seq: 0 };

  async function begin(writing: string): Promise<Held> {
    const session = await sessionToDrive();
    const lease = leaseOf(await claim(db, first, 100), session);
    if (writing === "a move")
      assert.deepEqual(await placementsIn(db).place(lease, firstPlace.host_id), firstPlace);
    return { session, lease };
  }

  /** All of it that a brain can change. */
  async function stateOf(within: Database, { session }: Held): Promise<object> {
    const text = `select seq, lease_owner, lease_epoch, runnable_at, placement_of(session_id) as placement
      from session_head where session_id = $1`;
    const [head] = await within.query<object>({ name: "state", text }, [session.id]);
    return head ?? assert.fail();
  }

  for (const [ending, end] of Object.entries(ends)) {
    for (const [writing, write] of Object.entries({ ...writes, "giving it back": givingBack })) {
      test(`${ending}, and then comes ${writing}: it changes nothing`, async () => {
        const held = await begin(writing);
        const ended = await holding(async (tx) => {
          await end(tx, held);
          return stateOf(tx, held);
        });
        const late = write(db, held);
        await untilBlocked(late);
        await ended.release();
        await late;
        assert.deepEqual(await stateOf(db, held), ended.result);
      });
    }

    for (const [writing, write] of Object.entries(writes)) {
      test(`${writing} comes, and then ${ending}: both stand`, async () => {
        const held = await begin(writing);
        const before = await stateOf(db, held);
        const wrote = await holding(async (tx) => {
          await write(tx, held);
          return stateOf(tx, held);
        });
        assert.notDeepEqual(wrote.result, before);
        const ended = end(db, held);
        await untilBlocked(ended);
        await wrote.release();
        await ended;
        const { seq, placement } = { ...wrote.result } as Record<string, unknown>;
        const after = (await stateOf(db, held)) as Record<string, unknown>;
        assert.deepEqual({ seq: after.seq, placement: after.placement }, { seq, placement });
        assert.notDeepEqual(after, wrote.result);
      });
    }
  }
});
