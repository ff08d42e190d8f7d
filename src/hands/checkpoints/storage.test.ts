import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, beforeEach, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { collectBlobs } from "./collect.ts";
import { copyCheckpoint, removeCheckpoints } from "./documents.ts";
import { openSharedFolder } from "./shared-folder.ts";
import {
  afterEachLook,
  blobsIn,
  checkpointsOf,
  damage,
  forged,
  type KeptWorkspace,
  keptWorkspace,
  sandbox_id,
  session_id,
} from "./testing.ts";

const made: KeptWorkspace[] = [];
let kept: KeptWorkspace;
beforeEach(() => {
  kept = keptWorkspace();
  made.push(kept);
});
after(() => {
  for (const { folder } of made) folder.remove();
});

const write = (name: string, content: string | Buffer) => writeFileSync(join(kept.path, name), content);

describe("a storage", () => {
  test("that has lost or damaged a blob costs the files that had it, and gets it again", async () => {
    write("a", "alpha");
    write("b", "beta");
    write("c", "gamma");
    await kept.take();
    damage(kept.storagePath, "alpha");
    damage(kept.storagePath, "beta", "remove");
    const { missing, missing_count, path } = await kept.restore();
    assert.deepEqual(missing, [
      { path: "/workspace/a", why: "it is damaged in the storage" },
      { path: "/workspace/b", why: "it is missing in the storage" },
    ]);
    assert.equal(missing_count, 2);
    assert.deepEqual(readdirSync(path), ["c"]);
    rmSync(join(kept.folder.path, "known-files.json"));
    assert.equal((await kept.take()).files_read, 3);
    assert.equal((await kept.restore()).missing_count, 0);
  });

  test("that can only be read gives what is whole in it", async () => {
    write("a", "alpha");
    write("b", "beta");
    await kept.take();
    damage(kept.storagePath, "alpha");
    // As a file is in the way for everybody, so for root, too.
    writeFileSync(join(kept.storagePath, "damaged"), "");
    const { missing, path } = await kept.restore();
    assert.deepEqual(missing, [{ path: "/workspace/a", why: "it is damaged in the storage" }]);
    assert.deepEqual(readdirSync(path), ["b"]);
  });

  test("with a blob that cannot even be opened gives the others", async () => {
    write("a", "alpha");
    write("b", "beta");
    await kept.take();
    damage(kept.storagePath, "alpha", "loop");
    const { missing, path } = await kept.restore();
    assert.deepEqual(missing, [{ path: "/workspace/a", why: "it cannot be read in the storage (ELOOP)" }]);
    assert.deepEqual(readdirSync(path), ["b"]);
  });

  test("with a manifest of a later version gives the checkpoint before, and forgets nothing", async () => {
    write("a", "1");
    const first = (await kept.take()).checkpoint;
    await forged(kept, gzipSync(JSON.stringify({ version: 2 })));
    const restored = await kept.restore();
    assert.deepEqual([restored.checkpoint, restored.skipped], [first, 1]);
    await assert.rejects(collectBlobs(kept.storage, -3_600_000), /missing or damaged/);
  });

  test("that has lost a manifest gives the checkpoint before", async () => {
    write("a", "1");
    const first = (await kept.take()).checkpoint;
    const blobs = new Set(blobsIn(kept.storagePath));
    write("a", "2");
    await kept.take();
    for (const sha256 of blobsIn(kept.storagePath)) if (!blobs.has(sha256)) damage(kept.storagePath, sha256);
    const restored = await kept.restore();
    assert.deepEqual([restored.checkpoint, restored.skipped], [first, 1]);
    assert.equal(readFileSync(join(restored.path, "a"), "utf8"), "1");
  });

  test("with no checkpoint of the session says so", async () => {
    const restored = await kept.restore();
    assert.deepEqual([restored.checkpoint, restored.skipped, restored.missing_count], [null, 0, 0]);
  });

  test("with a manifest that was made up touches nothing outside", async () => {
    write("a", "text");
    await kept.take();
    const sha256 = blobsIn(kept.storagePath).at(0) ?? "";
    assert.match(sha256, /^[0-9a-f]{64}$/);
    const facts = { type: "file" as const, mode: 0o644, mtime_ms: 0, size: 4, unsettled: false };
    await forged(kept, [
      { type: "folder", path: "workspace", mode: 0o700, mtime_ms: 0 },
      { type: "link", path: "workspace/out", target: kept.folder.path, mtime_ms: 0 },
      { type: "link", path: "workspace/out", target: "twice", mtime_ms: 0 },
      { type: "folder", path: `workspace/${"long".repeat(100)}`, mode: 0o700, mtime_ms: 0 },
      { type: "link", path: "workspace/over", target: join(kept.folder.path, "over"), mtime_ms: 0 },
      { ...facts, path: "workspace/over", sha256: createHash("sha256").update("text").digest("hex") },
      { type: "link", path: "workspace/out/through", target: "x", mtime_ms: 0 },
      { type: "link", path: "workspace/../up", target: "x", mtime_ms: 0 },
      { type: "folder", path: "workspace/..", mode: 0o700, mtime_ms: 0 },
    ]);
    const { path, missing } = await kept.restore();
    assert.deepEqual(readdirSync(path), ["out", "over"]);
    assert.ok(!existsSync(join(kept.folder.path, "over")));
    assert.equal(missing.length, 6);
    assert.ok(!existsSync(join(kept.folder.path, "through")) && !existsSync(join(path, "../up")));
    assert.ok(lstatSync(join(path, "out")).isSymbolicLink());
  });

  test("that is not mounted is told from an empty one", async () => {
    write("a", "1");
    await kept.take();
    const { id } = kept.storage;
    assert.equal(openSharedFolder(kept.storagePath, { known: id, make: false })?.id, id);
    const empty = join(kept.folder.path, "empty");
    mkdirSync(empty);
    const away = { name: "StorageAway", message: /is it mounted/ };
    assert.throws(() => openSharedFolder(empty, { known: id, make: true }), away);
    assert.equal(openSharedFolder(empty, { known: null, make: false }), null);
    assert.deepEqual(readdirSync(empty), []);
  });

  test("is written by two hosts at once, and keeps what both have made", async () => {
    for (let i = 0; i < 300; i++) write(`f${i}`, `content ${i}`);
    const other = keptWorkspace();
    made.push(other);
    execFileSync("cp", ["-a", `${kept.path}/.`, other.path]);
    const [a, b] = await Promise.all([kept.take(), other.take({ storage: kept.storage })]);
    assert.deepEqual([a.checkpoint?.n, b.checkpoint?.n].sort(), [1, 2]);
    for (const n of [1, 2]) assert.equal((await kept.restore({ sandbox_id, n })).missing_count, 0);
  });

  test("forgets what no checkpoint names, and not what one has named lately", async () => {
    write("a", "old");
    await kept.take();
    write("a", "new");
    await kept.take();
    await kept.storage.removeDocument(`workspaces/${session_id}/${sandbox_id}/1.json`);
    assert.equal((await collectBlobs(kept.storage, 3_600_000)).removed, 0);
    assert.deepEqual(await collectBlobs(kept.storage, -3_600_000), { kept: 2, removed: 2 });
    assert.equal((await kept.restore()).missing_count, 0);
    await removeCheckpoints(kept.storage, session_id);
    assert.equal((await collectBlobs(kept.storage, -3_600_000)).removed, 2);
    assert.deepEqual(blobsIn(kept.storagePath), []);
  });

  test("forgets nothing that somebody has come to use meanwhile", async (t) => {
    write("a", "1");
    await kept.take();
    await removeCheckpoints(kept.storage, session_id);
    // Each is used again right after it was looked at for the first time.
    const looked = new Set<string>();
    const thenUsed = (path: string) => {
      if (!path.includes("/blobs/") || looked.has(path)) return;
      utimesSync(path, new Date(), new Date());
      looked.add(path);
    };
    const long_ago = new Date(0);
    for (const sha256 of blobsIn(kept.storagePath))
      utimesSync(join(kept.storagePath, "blobs", sha256.slice(0, 2), sha256), long_ago, long_ago);
    execFileSync("rm", ["-r", join(kept.storagePath, "removed")]);
    t.after(afterEachLook(thenUsed));
    assert.equal((await collectBlobs(kept.storage, 3_600_000)).removed, 0);
    assert.equal(looked.size, 2);
    assert.equal(blobsIn(kept.storagePath).length, 2);
  });

  test("forgets nothing while it cannot be said what is named", async () => {
    write("a", "1");
    await kept.take();
    const before = blobsIn(kept.storagePath).length;
    writeFileSync(join(kept.storagePath, `documents/workspaces/${session_id}/${sandbox_id}/2.json`), "{");
    await assert.rejects(collectBlobs(kept.storage, -3_600_000), /damaged/);
    assert.equal(blobsIn(kept.storagePath).length, before);
  });

  test("that is used for a checkpoint whose blobs were collected gets them again", async () => {
    write("a", "1");
    await kept.take();
    await removeCheckpoints(kept.storage, session_id);
    await collectBlobs(kept.storage, -3_600_000);
    assert.equal((await kept.take()).files_read, 1);
    assert.equal((await kept.restore()).missing_count, 0);
  });
});

describe("what a fork gets", () => {
  const copied = async (to: string, ...calls: string[]) => {
    await copyCheckpoint(kept.storage, { session_id, to_session_id: to, calls });
    return (await checkpointsOf(kept.storage, to)).map(({ n }) => n);
  };

  test("is the newest checkpoint of which it has all calls", async () => {
    for (const call of ["c1", "c2", "c3"]) {
      write("a", call);
      await kept.take({ calls: [`${call}:run`, `${call}.1:run`] });
    }
    assert.deepEqual(await copied("sesn_none"), []);
    assert.deepEqual(await copied("sesn_two", "c1", "c2"), [2]);
    assert.deepEqual(await copied("sesn_gap", "c1", "c3"), [1]);
    assert.deepEqual(await copied("sesn_all", "c1", "c2", "c3"), [3]);
  });

  test("is none that was made while a call went on, which may be a later one, but for want of another", async () => {
    write("a", "half");
    await kept.take({ calls: ["c1:run"], in_use: true });
    assert.deepEqual(await copied("sesn_only", "c1"), [1]);
    write("a", "whole");
    await kept.take({ calls: ["c2:run"] });
    write("a", "half of another");
    await kept.take({ calls: [], in_use: true });
    assert.deepEqual(await copied("sesn_other", "c1", "c2"), [2]);
  });
});
