import assert from "node:assert/strict";
import { test } from "node:test";
import { openDatabase } from "./database.ts";
import { rememberSlow } from "./slow-statements.ts";
import { testDatabase } from "./testing.ts";

test("a slow statement is remembered by its text, and nothing that it was asked with", async () => {
  const base = await testDatabase();
  const db = openDatabase({ url: base.url, slow_ms: 50 });
  const slow = { name: "test_slow", text: "select pg_sleep($1::float8),\n  $2::text" };
  for (const word of ["hunter2", "hunter3"]) await db.query(slow, [0.1, word]);
  await db.transaction((tx) => tx.query(slow, [0.1, "hunter4"]));
  await assert.rejects(db.query({ name: "test_fails", text: "select pg_sleep(0.1), 1 / $1::int" }, [0]));
  const found = db.slowStatements();
  assert.ok(!JSON.stringify(found).includes("hunter"));
  assert.deepEqual(
    found.filter(({ name }) => name.startsWith("test_")).map(({ name, count }) => [name, count]),
    [
      ["test_slow", 3],
      ["test_fails", 1],
    ].filter(([name]) => name !== "test_fails" || found.some((one) => one.name === name)),
  );
  assert.equal(found.find(({ name }) => name === "test_slow")?.text, "select pg_sleep($1::float8), $2::text");
  await db.close();
  await base.close();
});

test("of more than may be kept, those stay that have taken longest", () => {
  const memory = rememberSlow({ slow_ms: 10, max: 3 });
  for (let i = 1; i <= 9; i += 1) memory.took({ name: `s${i}`, text: "select 1" }, 10 * i);
  memory.took({ name: "quick", text: "select 1" }, 9);
  assert.deepEqual(
    memory.list().map(({ name, total_ms }) => [name, total_ms]),
    [
      ["s9", 90],
      ["s8", 80],
      ["s7", 70],
    ],
  );
});
