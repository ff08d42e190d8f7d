import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { livingProcess, type TestSession, testSession } from "../brain/testing.ts";
import { type Database, openDatabase } from "../db/database.ts";
import { testDatabase } from "../db/testing.ts";
import { type AppendRequest, append } from "./append.ts";
import { readSpent } from "./spend.ts";

const db = await testDatabase();
after(() => db.close());

/** The database as it is at this time. */
async function at<T>(time: string, use: (db: Database) => Promise<T>): Promise<T> {
  const options = `-c timezone=UTC -c drover.now=${time}`;
  const pool = openDatabase({ url: `${db.url}&options=${encodeURIComponent(options)}`, connections: 1 });
  try {
    return await use(pool);
  } finally {
    await pool.close();
  }
}

/** What is in the head from now on, as a brain writes it. */
async function spend(session: TestSession, nano: number | null, on: Database = db, changed = {}) {
  const request: AppendRequest = {
    workspace_id: "w",
    session_id: session.id,
    entries: [],
    spent_nano: nano,
    run: { type: "wake" },
    ...changed,
  };
  const [result] = await append(on, [request], 0);
  return result?.verdict;
}

const rows = (session: TestSession) =>
  db.query<{ day: string; nano: number; agent_id: string }>(
    {
      name: "test_spend",
      text: "select day::text, nano, agent_id from spend where session_id = $1 order by day",
    },
    [session.id],
  );

describe("what a session has spent", () => {
  test("is written as it grows, once however often it is told, and never taken back", async () => {
    const session = await testSession(db, () => []);
    for (const nano of [5, 5, 8, null, 8, 6]) await spend(session, nano);
    const [row, ...more] = await rows(session);
    assert.deepEqual([row?.nano, row?.agent_id, more], [8, "agent_1", []]);
  });

  test("is written on the day that it was spent on", async () => {
    const session = await testSession(db, () => []);
    await at("2100-01-01T23:59:59Z", (then) => spend(session, 5, then));
    await at("2100-01-02T00:00:01Z", (then) => spend(session, 12, then));
    assert.deepEqual(
      (await rows(session)).map(({ day, nano }) => [day, nano]),
      [
        ["2100-01-01", 5],
        ["2100-01-02", 7],
      ],
    );
  });

  test("is not written by an append that is refused", async () => {
    const session = await testSession(db, () => []);
    await livingProcess(db, process.pid);
    assert.equal(await spend(session, 5, db, { if_seq: 7 }), "behind");
    assert.equal(await spend(session, 5, db, { lease: { owner: 1, epoch: 9 } }), "stale_epoch");
    assert.deepEqual(await rows(session), []);
  });
});

test("sums are those of one agent and one workspace, of one day or of all", async () => {
  const [one, two, other] = await Promise.all([1, 2, 3].map(() => testSession(db, () => [])));
  assert.ok(one && two && other);
  const own = {
    name: "test_own_agent",
    text: "update session set agent_id = $2, workspace_id = $3 where id = $1",
  };
  const head = {
    name: "test_own_head",
    text: "update session_head set workspace_id = $2 where session_id = $1",
  };
  for (const [session, agent] of [
    [one, "agent_a"],
    [two, "agent_b"],
  ] as const) {
    await db.query(own, [session.id, agent, "sums"]);
    await db.query(head, [session.id, "sums"]);
  }
  const sums = { workspace_id: "sums" };
  await at("2101-05-01T12:00:00Z", async (then) => {
    await spend(one, 1, then, sums);
    await spend(two, 10, then, sums);
    await spend(other, 1_000, then);
  });
  await at("2101-05-02T12:00:00Z", async (then) => {
    await spend(one, 101, then, sums);
    // Sessions that are deleted leave what they have cost.
    for (const table of ["session", "session_head"]) {
      const key = table === "session" ? "id" : "session_id";
      await db.query({ name: `test_gone_${table}`, text: `delete from ${table} where ${key} = $1` }, [
        one.id,
      ]);
    }
    assert.deepEqual(await readSpent(then, "sums", "agent_a", true), {
      day: "2101-05-02",
      agent: 101,
      agent_day: 100,
      workspace: 111,
      workspace_day: 100,
    });
    const day = { day: "2101-05-02", agent: 0, agent_day: 0, workspace: 100, workspace_day: 100 };
    assert.deepEqual(await readSpent(then, "sums", "agent_b", false), day);
  });
});
