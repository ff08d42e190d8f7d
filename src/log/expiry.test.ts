import assert from "node:assert/strict";
import { after, test } from "node:test";
import { type TestSession, testSession } from "../brain/testing.ts";
import { type Database, openDatabase } from "../db/database.ts";
import { testDatabase } from "../db/testing.ts";
import { append } from "./append.ts";
import { type Cleanup, takeCleanups } from "./cleanup.ts";
import { expireWorkspaces } from "./expiry.ts";
import { readAll } from "./read.ts";

const db = await testDatabase();
after(() => db.close());

const day = 24 * 3_600_000;
const firstUse = Date.parse("2026-01-01T12:00:00Z");

/** The database so many days after the first use. */
async function afterDays<T>(days: number, use: (db: Database) => Promise<T>): Promise<T> {
  const options = `-c timezone=UTC -c drover.now=${new Date(firstUse + days * day).toISOString()}`;
  const pool = openDatabase({ url: `${db.url}&options=${encodeURIComponent(options)}`, connections: 1 });
  try {
    return await use(pool);
  } finally {
    await pool.close();
  }
}

const place = {
  name: "test_place",
  text: "insert into placement (session_id, host_id, generation, moved_seq, placed_at) values ($1, 'host_a', 1, 0, now())",
};
const placed = {
  name: "test_placed",
  text: "select host_id, generation from placement where session_id = $1",
};

/** With a sandbox on a host. */
async function newSession(on: Database): Promise<TestSession> {
  const session = await testSession(on, () => []);
  await on.query(place, [session.id]);
  return session;
}
const early = () => afterDays(0, newSession);

async function use(session: TestSession, days: number, status?: "running"): Promise<void> {
  const request = { workspace_id: "w", session_id: session.id, entries: [], uses_sandbox: true };
  const [result] = await afterDays(days, (then) =>
    append(then, [{ ...request, ...(status && { status }) }], 0),
  );
  assert.equal(result?.verdict, "accepted");
}

const expiredAfter = (days: number) => afterDays(days, (then) => expireWorkspaces(then, 30));

/** What is to be removed so many days later, and what became of that. */
async function cleaned(
  days: number,
  answer: "removed" | "unreachable" | "stale" | "failed",
): Promise<Cleanup[]> {
  const taken: Cleanup[] = [];
  await afterDays(days, (then) =>
    takeCleanups(then, async (cleanup) => {
      taken.push(cleanup);
      return answer;
    }),
  );
  return taken;
}

test("a workspace is removed when it was kept for so long from its first use, and the history stays", async () => {
  const session = await early();
  await use(session, 0);
  await use(session, 29);
  const history = await readAll(db, session.id, 0);
  assert.deepEqual(await expiredAfter(29.9), []);
  assert.deepEqual(await expiredAfter(30), [session.id]);
  assert.deepEqual(await expiredAfter(30), []);
  assert.deepEqual(
    (await cleaned(30, "removed")).map(({ session_id }) => session_id),
    [session.id],
  );
  assert.deepEqual(await cleaned(31, "removed"), []);
  assert.deepEqual(await readAll(db, session.id, 0), history);
  assert.deepEqual(await db.query(placed, [session.id]), [{ host_id: "host_a", generation: 1 }]);
  await use(session, 40);
  assert.deepEqual(await expiredAfter(69), [], "the next use begins the time anew");
  assert.deepEqual(await expiredAfter(70), [session.id]);
  await cleaned(70, "removed");
});

test("that of a session that runs, or never had one, is left alone", async () => {
  const [running, unused] = [await early(), await early()];
  await use(running, 0, "running");
  assert.deepEqual(await expiredAfter(1_000), []);
  assert.ok(unused);
});

test("a removal is above the epoch of every brain before, and gives way to a brain that came first", async () => {
  const session = await newSession(db);
  await session.send({ type: "user.message", content: [{ type: "text", text: "go" }] });
  const lease = await session.claim();
  const park = { type: "park", after_ms: null } as const;
  const request = { workspace_id: "w", session_id: session.id, entries: [], status: "idle" as const, lease };
  await append(db, [{ ...request, run: park, uses_sandbox: true }], 0);
  const days = (Date.now() - firstUse) / day + 31;
  assert.deepEqual(await expiredAfter(days), [session.id]);
  assert.deepEqual(
    (await cleaned(days, "failed")).map(({ epoch }) => epoch),
    [lease.epoch + 1],
  );
  assert.equal((await cleaned(days + 0.5, "unreachable")).length, 1);
  assert.equal((await cleaned(days + 1, "stale")).length, 1, "nobody came: it is tried again");
  await session.send({ type: "user.message", content: [{ type: "text", text: "go on" }] });
  assert.equal((await session.claim()).epoch, lease.epoch + 2);
  assert.equal((await cleaned(days + 2, "stale")).length, 1);
  assert.deepEqual(await cleaned(days + 3, "stale"), []);
});
