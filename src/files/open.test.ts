import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { startFakeS3 } from "../../test/fakes/s3.ts";
import { type TestDatabase, testDatabase } from "../db/testing.ts";
import { openFileStore, requireOwnStore } from "./open.ts";

const root = mkdtempSync(join(tmpdir(), "drover-own-store-"));
let db: TestDatabase;
before(async () => {
  db = await testDatabase();
});
after(async () => {
  await db.close();
  rmSync(root, { recursive: true, force: true });
});

const unexpected = (error: Error) => assert.fail(error);
const folder = (name: string) => openFileStore({ type: "folder", path: join(root, name) });

test("the first store is the database's own; another one, or none in its place, is refused", async () => {
  await Promise.all(Array.from({ length: 8 }, () => requireOwnStore(db, folder("own"), unexpected)));
  await requireOwnStore(db, folder("own"), unexpected);
  await assert.rejects(requireOwnStore(db, folder("not-mounted"), unexpected), /is it mounted\?/);
  const other = folder("other");
  await other.identify("b".repeat(32));
  await assert.rejects(requireOwnStore(db, other, unexpected), /the file store of another database/);
});

test("of servers that start at once on stores of their own, one goes on", async () => {
  const fresh = await testDatabase();
  try {
    const names = ["a", "b", "c"];
    const ends = await Promise.allSettled(
      names.map((name) => requireOwnStore(fresh, folder(name), unexpected)),
    );
    assert.equal(ends.filter(({ status }) => status === "fulfilled").length, 1);
  } finally {
    await fresh.close();
  }
});

test("one that does not answer is told of, and is no reason not to start", async () => {
  const gone = await startFakeS3();
  await gone.close();
  const told: Error[] = [];
  const store = openFileStore({ type: "s3", ...gone.settings });
  await requireOwnStore(db, store, (error) => void told.push(error));
  assert.equal(told.length, 1);
});
