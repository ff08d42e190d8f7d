import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { type TestDatabase, testDatabase } from "../../db/testing.ts";
import { type Blob, type Blobs, createBlobs, namedBlobsLock } from "../../files/blobs.ts";
import { folderStore } from "../../files/folder.ts";
import { BlobMissing, type FileStore } from "../../files/store.ts";
import { limits } from "../../limits.ts";
import { ApiError } from "../../protocol/errors.ts";
import { createFile, type NewFile } from "./create.ts";
import { getContent, getDownload, getFile, listFiles } from "./read.ts";
import { deleteFile, sweepFiles } from "./remove.ts";

const folder = mkdtempSync(join(tmpdir(), "drover-files-"));
const workspace = "wrkspc_default";
const rules = { quota_bytes: null, uploads_downloadable: false };
let db: TestDatabase;
let store: FileStore;
let blobs: Blobs;

before(async () => {
  db = await testDatabase();
  store = folderStore(folder);
  await store.identify("a".repeat(32));
  blobs = createBlobs(db, store);
});
after(async () => {
  await db.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  await sql("delete from file");
  await sql("update file_storage set bytes = 0");
});

const sql = <Row>(text: string, ...values: unknown[]) =>
  db.query<Row>({ name: `test_${text.slice(0, 50)}_${text.length}`, text }, values);

async function* one(text: string): AsyncGenerator<Buffer> {
  yield Buffer.from(text);
}
const keep = async (text: string): Promise<Blob> => (await blobs.receive(one(text), 1 << 20)).keep();
const textOf = async (sha256: string) => {
  let text = "";
  for await (const chunk of await blobs.open(sha256)) text += chunk;
  return text;
};

const create = (content: Blob, more: Partial<NewFile> = {}, quota_bytes: number | null = null) =>
  createFile(
    db,
    workspace,
    { filename: "a.txt", mime_type: "text/plain", content, downloadable: false, counted: true, ...more },
    { ...rules, quota_bytes },
  );
const listed = async (query: object = {}) =>
  (await listFiles(db, workspace, query, rules)).data.map(({ id }) => id);
const has = (status: number, code: string | undefined) => (error: unknown) =>
  error instanceof ApiError && error.status === status && error.details?.error_code === code;

const stored = async () =>
  (await sql<{ bytes: number }>("select bytes from file_storage where workspace_id = $1", workspace))[0]
    ?.bytes;
/** What the rows of a workspace add up to. */
const held = async () =>
  (
    await sql<{ bytes: number }>(
      "select coalesce(sum(size_bytes), 0)::bigint as bytes from file where workspace_id = $1 and counted and sha256 is not null",
      workspace,
    )
  )[0]?.bytes;
const later = (ms: number) => sql("update blob set used_at = used_at - $1 * interval '1 millisecond'", ms);

async function sweepBlobs(): Promise<void> {
  let after: string | null = null;
  do {
    after = await blobs.releaseUnnamed(after);
  } while (after !== null);
  await blobs.removeStrays();
}

describe("a file whose time is over", () => {
  test("is told of, and has no content any more; in the end it is forgotten", async () => {
    const content = await keep("short");
    const { id } = await create(content, { expires_in_seconds: 3_600, downloadable: true });
    await sql("update file set expires_at = drover_now() - interval '1 second' where id = $1", id);
    // Before anybody has come by, too.
    await assert.rejects(getDownload(db, workspace, id, rules), has(404, "file_expired"));
    await sweepFiles(db);
    await assert.rejects(getContent(db, workspace, id, rules), has(404, "file_expired"));
    assert.equal((await getFile(db, workspace, id, rules)).size_bytes, 5);
    assert.deepEqual(await listed(), [id]);
    assert.equal(await stored(), 0);
    await later(limits.blob_unnamed_ms);
    await sweepBlobs();
    await assert.rejects(blobs.open(content.sha256), BlobMissing);
    await sql(
      "update file set expires_at = drover_now() - $2 * interval '1 millisecond' where id = $1",
      id,
      limits.file_expired_kept_ms,
    );
    await sweepFiles(db);
    await assert.rejects(getFile(db, workspace, id, rules), has(404, undefined));
  });

  test("is deleted like any other one, and is counted once", async () => {
    const { id } = await create(await keep("x"), { expires_in_seconds: 3_600 });
    await create(await keep("stays"));
    await sql("update file set expires_at = drover_now() where id = $1", id);
    await sweepFiles(db);
    await deleteFile(db, workspace, id);
    assert.equal(await stored(), 5);
  });
});

describe("an output that a session writes anew", () => {
  const scope = { session_id: "sesn_1", path: "report.md" };

  test("is another file; the former leaves the lists at once, can be had for a while, and goes", async () => {
    const [first, second] = [await keep("first"), await keep("second")];
    const before = await create(first, { scope, downloadable: true });
    const other = await create(first, { scope: { ...scope, path: "other.md" }, downloadable: true });
    const elsewhere = await create(first, { scope: { ...scope, session_id: "sesn_2" }, downloadable: true });
    const now = await create(second, { scope, downloadable: true });
    assert.deepEqual(now.scope, { type: "session", id: "sesn_1" });
    assert.deepEqual(await listed({ scope_id: "sesn_1" }), [now.id, other.id]);
    assert.deepEqual(await listed(), [now.id, elsewhere.id, other.id]);
    const { sha256 } = await getDownload(db, workspace, before.id, rules);
    assert.equal(await textOf(sha256), "first");
    await sweepFiles(db);
    await getDownload(db, workspace, before.id, rules);
    await sql(
      "update file set superseded_at = superseded_at - $1 * interval '1 millisecond'",
      limits.file_superseded_ms,
    );
    await sweepFiles(db);
    await assert.rejects(getFile(db, workspace, before.id, rules), has(404, undefined));
    assert.equal(await stored(), await held());
  });
});

describe("what a workspace's files take", () => {
  test("is what they add up to, whatever happens at once", async () => {
    const contents = await Promise.all(["a", "bb", "ccc", "dddd"].map(keep));
    const scopes = [undefined, { session_id: "sesn_1", path: "p" }, { session_id: "sesn_2", path: null }];
    const made: string[] = [];
    const act = async (n: number) => {
      const content = contents[n % 4] as Blob;
      const scope = scopes[n % 3];
      const file = await create(content, {
        counted: n % 5 !== 0,
        ...(scope && { scope }),
        ...(n % 7 === 0 && { expires_in_seconds: 3_600 }),
      });
      made.push(file.id);
      if (n % 4 === 1) await deleteFile(db, workspace, made[n % made.length] ?? "").catch(() => {});
      // One row at a time: statements that lock several begin with the workspace's storage.
      const past = "update file set expires_at = drover_now() where id = $1 and expires_at is not null";
      if (n % 2 === 0) await sql(past, file.id);
      const anew = "update file set superseded_at = drover_now() - interval '2 hours' where id = $1";
      if (n % 9 === 3) await sql(anew, made[(7 * n) % made.length]);
      if (n % 6 === 2) await sweepFiles(db);
    };
    await Promise.all(
      Array.from({ length: 8 }, async (_, worker) => {
        for (let n = worker; n < 200; n += 8) await act(n);
      }),
    );
    assert.ok(((await held()) ?? 0) > 0);
    assert.equal(await stored(), await held());
  });

  test("does not count copies, and is never more than the quota", async () => {
    const content = await keep("12345");
    await create(content, {}, 12);
    await create(content, { counted: false }, 12);
    await create(content, { counted: false }, 1);
    await create(content, {}, 12);
    await assert.rejects(create(content, {}, 12), has(400, "storage_quota_exceeded"));
    assert.equal(await stored(), 10);
    assert.equal((await listed()).length, 4);
  });
});

describe("content that no file has", () => {
  test("stays for those who are about to name it, then goes from the store", async () => {
    const content = await keep("unnamed");
    await sweepBlobs();
    assert.equal(await textOf(content.sha256), "unnamed");
    await later(limits.blob_unnamed_ms);
    await sweepBlobs();
    await assert.rejects(blobs.open(content.sha256), BlobMissing);
    await assert.rejects(create(content), /is not there any more/);
  });

  test("and comes again while it goes is there in the end, whoever is first", async () => {
    for (let n = 0; n < 60; n += 1) {
      const content = await keep(`again ${n % 3}`);
      await later(limits.blob_unnamed_ms);
      const naming = n % 2 === 0 ? keep(`again ${n % 3}`).then((again) => create(again)) : create(content);
      const [[named]] = await Promise.all([Promise.allSettled([naming]), sweepBlobs(), sweepBlobs()]);
      if (named?.status === "rejected") {
        // Only who names what it has kept long ago can be too late.
        assert.equal(n % 2, 1, String(named.reason));
        continue;
      }
      assert.equal(await textOf(content.sha256), `again ${n % 3}`);
      await deleteFile(db, workspace, named?.value.id ?? "");
    }
  });

  test("and is being named stays, by whoever waits for that", async () => {
    const content = await keep("being named");
    await later(limits.blob_unnamed_ms);
    let sweeping: Promise<void> | null = null;
    await db.transaction(async (tx) => {
      const file = { filename: "a", mime_type: "a/b", content, downloadable: false, counted: true };
      await createFile(tx, workspace, file, rules);
      sweeping = sweepBlobs();
      const waiting = "select from pg_locks where not granted and transactionid is not null";
      while ((await sql(waiting)).length === 0);
    });
    await sweeping;
    assert.equal(await textOf(content.sha256), "being named");
  });

  test("stays while somebody copies what is named", async () => {
    const content = await keep("copied");
    await later(limits.blob_unnamed_ms);
    const client = await db.connect();
    await client.query("select pg_advisory_lock_shared($1)", [namedBlobsLock]);
    await sweepBlobs();
    assert.equal(await textOf(content.sha256), "copied");
    await client.end();
    while ((await sql("select from blob where sha256 = $1", content.sha256)).length > 0) await sweepBlobs();
  });

  test("is removed later where the store does not let it go now", async () => {
    let works = false;
    const stubborn: FileStore = {
      ...store,
      remove: (key) => (works ? store.remove(key) : Promise.reject(new Error("not now"))),
    };
    const own = createBlobs(db, stubborn);
    const received = await own.receive(one("stubborn"), 100);
    await received.discard();
    const [stray] = await sql<{ key: string }>("select key from stray_blob");
    assert.ok(stray);
    await sql("update stray_blob set remove_at = drover_now()");
    await assert.rejects(own.removeStrays(), /not now/);
    works = true;
    // It rests before it is tried again.
    await own.removeStrays();
    assert.equal((await sql("select from stray_blob")).length, 1);
    await sql("update stray_blob set remove_at = drover_now()");
    await own.removeStrays();
    assert.equal((await sql("select from stray_blob")).length, 0);
    await assert.rejects(store.get(stray.key), BlobMissing);
  });

  test("and has come in for too long is not kept", async () => {
    const received = await blobs.receive(one("slow"), 100);
    await sql("update stray_blob set remove_at = drover_now() - interval '1 second'");
    await assert.rejects(received.keep(), /came in for longer/);
    await blobs.removeStrays();
  });
});
