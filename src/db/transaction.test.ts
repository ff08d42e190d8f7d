import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { limits } from "../limits.ts";
import type { Database } from "./database.ts";
import { DatabaseUnavailable } from "./errors.ts";
import { type TestDatabase, testDatabase } from "./testing.ts";

let db: TestDatabase;
before(async () => {
  db = await testDatabase({ migrate: false });
  await db.query({ name: "create", text: "create table thing (name text primary key)" }, []);
});
after(() => db.close());

const add = (within: Database, name: string) =>
  within.query({ name: "add", text: "insert into thing (name) values ($1)" }, [name]);

async function things(within: Database = db): Promise<string[]> {
  const rows = await within.query<{ name: string }>({ name: "things", text: "select name from thing" }, []);
  return rows.map(({ name }) => name).toSorted();
}

const pidOf = async (within: Database) => {
  const [row] = await within.query<{ pid: number }>(
    { name: "pid", text: "select pg_backend_pid() as pid" },
    [],
  );
  return row?.pid;
};

test("what it does is seen by others when all of it is done", async () => {
  const result = await db.transaction(async (tx) => {
    await add(tx, "a1");
    await add(tx, "a2");
    assert.deepEqual(await things(tx), ["a1", "a2"]);
    assert.deepEqual(await things(), []);
    return "done";
  });
  assert.equal(result, "done");
  assert.deepEqual(await things(), ["a1", "a2"]);
});

test("one that throws has done nothing", async () => {
  const failing = db.transaction(async (tx) => {
    await add(tx, "b");
    throw new Error("no");
  });
  await assert.rejects(failing, /no/);
  assert.ok(!(await things()).includes("b"));
});

test("one that passes over a failed statement fails with it", async () => {
  const failing = db.transaction(async (tx) => {
    await add(tx, "c");
    await add(tx, "c").catch(() => {});
  });
  await assert.rejects(failing, /statement add failed/);
  assert.ok(!(await things()).includes("c"));
});

test("a statement that comes after its end is not run", async () => {
  const late = await db.transaction(async (tx) => tx);
  await assert.rejects(add(late, "d"), /after the end/);
});

test("one whose connection breaks between two statements fails, and the next has another", async () => {
  const failing = db.transaction(async (tx) => {
    await add(tx, "e");
    await db.query({ name: "cut", text: "select pg_terminate_backend($1)" }, [await pidOf(tx)]);
    await add(tx, "e2");
  });
  await assert.rejects(failing, DatabaseUnavailable);
  await db.transaction((tx) => add(tx, "e3"));
  assert.deepEqual(
    (await things()).filter((name) => name.startsWith("e")),
    ["e3"],
  );
});

test("one that stands still, or a statement of it that takes too long, is ended", async () => {
  const shown = await db.transaction((tx) =>
    tx.query<{ idle: string; statement: string }>(
      {
        name: "bounds",
        text: `select current_setting('idle_in_transaction_session_timeout') as idle, current_setting('statement_timeout') as statement`,
      },
      [],
    ),
  );
  assert.deepEqual(shown, [
    {
      idle: `${limits.transaction_idle_ms / 1_000}s`,
      statement: `${limits.statement_ms / 1_000}s`,
    },
  ]);
  const slow = db.transaction(async (tx) => {
    await tx.query({ name: "hurry", text: "set local statement_timeout = 1" }, []);
    await tx.query({ name: "sleep", text: "select pg_sleep(600)" }, []);
  });
  await assert.rejects(slow, (error) => error instanceof DatabaseUnavailable && !error.mayHaveRun);
});

test("those that wait for a connection of the pool inside a transaction get one", async () => {
  const all = Array.from({ length: 3 * limits.database_connections_max }, (_, n) =>
    db.transaction(async (tx) => {
      await add(tx, `f${n}`);
      await things();
    }),
  );
  await Promise.all(all);
  assert.equal((await things()).filter((name) => name.startsWith("f")).length, all.length);
});
