import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { type Migration, migrate, readMigrations } from "./migrate.ts";
import { type TestDatabase, testDatabase } from "./testing.ts";

let db: TestDatabase;
before(async () => {
  db = await testDatabase({ migrate: false });
});
after(() => db.close());

const tables = async (name: string) =>
  (
    await db.query<{ n: number }>(
      { name: "tables", text: "select count(*) as n from pg_tables where tablename like $1" },
      [name],
    )
  )[0]?.n;

const step = (version: number, name: string, sql: string): Migration => ({ version, name, sql });

test("starters that come at once apply each migration once", async () => {
  const migrations = [
    step(1, "one", "create table apple (); select pg_sleep(0.1)"),
    step(2, "two", "create table pear ()"),
  ];
  const results = await Promise.all([1, 2, 3, 4].map(() => migrate(db, migrations)));
  assert.deepEqual(
    results.flatMap((result) => result.applied),
    ["one", "two"],
  );
});

test("a migration that fails half way is named and leaves nothing, and those before it stay", async () => {
  const failing = [
    step(3, "three", "create table plum ()"),
    step(4, "four", "create table quince (); select 1 / 0"),
  ];
  await assert.rejects(migrate(db, failing), /migration 4 \(four\) failed: division by zero/);
  assert.equal(await tables("plum"), 1);
  assert.equal(await tables("quince"), 0);
  const mended = failing.with(1, step(4, "four", "create table quince ()"));
  assert.deepEqual(await migrate(db, mended), { applied: ["four"] });
});

test("a database that is ahead is left as it is", async () => {
  assert.deepEqual(await migrate(db, [step(1, "one", "select 1 / 0")]), { applied: [] });
});

test("a database of which something was taken away is refused by those who need it, and by nobody else", async () => {
  const old = [step(1, "one", ""), step(2, "two", "")];
  const contract = { ...step(5, "no_apple", "drop table apple"), needs: 4 };
  const expanded = [...old, step(3, "three", ""), step(4, "four", "")];
  await migrate(db, [...expanded, contract]);
  assert.deepEqual(await migrate(db, expanded), { applied: [] });
  await assert.rejects(migrate(db, old), /migration 5, no_apple.* only versions with migration 4/);
});

test("a migration says in its SQL what it needs", () => {
  const folder = mkdtempSync(join(tmpdir(), "drover-migrations-"));
  writeFileSync(join(folder, "000001_add.sql"), "select 1;\n");
  writeFileSync(join(folder, "000002_drop.sql"), "-- What nobody reads.\n-- needs: 1\nselect 2;\n");
  const read = readMigrations(pathToFileURL(`${folder}/`));
  rmSync(folder, { recursive: true });
  assert.deepEqual(
    read.map(({ version, name, needs }) => ({ version, name, needs })),
    [
      { version: 1, name: "add", needs: 0 },
      { version: 2, name: "drop", needs: 1 },
    ],
  );
});

test("the numbers of the migrations follow each other", () => {
  const versions = readMigrations().map((migration) => migration.version);
  assert.deepEqual(
    versions,
    versions.map((_, index) => index + 1),
  );
});
