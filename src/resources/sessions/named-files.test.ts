import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { testDatabase } from "../../db/testing.ts";
import { createBlobs } from "../../files/blobs.ts";
import { folderStore } from "../../files/folder.ts";
import { createFile } from "../files/create.ts";
import { namedFiles } from "./named-files.ts";

const folder = mkdtempSync(join(tmpdir(), "drover-named-"));
const connections = 2;
const db = await testDatabase({ connections });
const store = folderStore(folder);
await store.identify("a".repeat(32));
const blobs = createBlobs(db, store);
after(async () => {
  await db.close();
  rmSync(folder, { recursive: true, force: true });
});

async function* one(text: string): AsyncGenerator<Buffer> {
  yield Buffer.from(text);
}

/** Whether so many statements wait for what another one has locked. */
async function waiting(count: number): Promise<void> {
  const client = await db.connect();
  const text =
    "select count(*)::int as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
  try {
    while ((await client.query<{ n: number }>(text)).rows[0]?.n !== count) await pause(5);
  } finally {
    await client.end();
  }
}

test("a transaction that looks at a file goes on while all connections wait for it", async () => {
  const content = await (await blobs.receive(one("Read by many."), 1_000)).keep();
  const { id } = await createFile(
    db,
    "w",
    { filename: "a.txt", mime_type: "text/plain", content, downloadable: false, counted: true },
    { quota_bytes: null, uploads_downloadable: false },
  );
  const block = { type: "document" as const, source: { type: "file" as const, file_id: id } };
  const events = [{ type: "user.message" as const, content: [block] }];
  const others: Promise<object>[] = [];
  const whenAllWait: typeof blobs.open = async (...asked) => {
    for (let n = 0; n < connections; n += 1) others.push(namedFiles(db, blobs, "w", events, "events"));
    await waiting(connections);
    return blobs.open(...asked);
  };
  const first = await db.transaction((tx) => namedFiles(tx, { open: whenAllWait }, "w", events, "events"));
  assert.equal(first[id]?.sha256, content.sha256);
  for (const other of await Promise.all(others)) assert.deepEqual(other, first);
});
