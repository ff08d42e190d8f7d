import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { linkSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { testFolder } from "../testing.ts";
import { type Blobs, type BlobsOptions, openBlobs } from "./blobs.ts";

const folder = testFolder();
after(() => folder.remove());

let count = 0;
async function newBlobs(bounds: Partial<BlobsOptions> = {}): Promise<{ blobs: Blobs; path: string }> {
  const path = join(folder.path, `blobs${count++}`);
  const blobs = await openBlobs({ folder: path, ...bounds });
  after(() => blobs.close());
  return { blobs, path };
}

const shaOf = (data: Buffer) => createHash("sha256").update(data).digest("hex");

/** All names beneath it, but those of folders. */
const namesIn = (path: string) =>
  readdirSync(path, { withFileTypes: true, recursive: true }).flatMap((each) =>
    each.isFile() ? [each.name] : [],
  );

async function put(blobs: Blobs, data: Buffer, sha256 = shaOf(data)): Promise<string> {
  assert.equal(await blobs.put({ sha256, bytes: data.length, offset: 0, data }), data.length);
  return sha256;
}

describe("a content", () => {
  test("is here when all of its pieces have come, as its bytes, for nobody to write", async () => {
    const { blobs, path } = await newBlobs();
    const data = randomBytes(300_000);
    const sha256 = shaOf(data);
    assert.equal(await blobs.received(sha256), 0);
    for (let offset = 0; offset < data.length; offset += 100_000) {
      const piece = data.subarray(offset, offset + 100_000);
      assert.equal(await blobs.file(sha256, { executable: false }), null);
      assert.equal(await blobs.put({ sha256, bytes: data.length, offset, data: piece }), offset + 100_000);
    }
    assert.equal(await blobs.received(sha256), null);
    const file = (await blobs.file(sha256, { executable: false })) ?? assert.fail();
    assert.ok(readFileSync(file).equals(data));
    assert.equal(statSync(file).mode & 0o7777, 0o444);
    assert.deepEqual(namesIn(path), [sha256]);
    assert.equal(await blobs.put({ sha256, bytes: data.length, offset: 0, data }), data.length);
  });

  test("may be empty", async () => {
    const { blobs } = await newBlobs();
    const sha256 = await put(blobs, Buffer.alloc(0));
    assert.equal(await blobs.received(sha256), null);
  });

  test("can be had as a program too, in a file of its own", async () => {
    const { blobs, path } = await newBlobs();
    const sha256 = await put(blobs, Buffer.from("#!/bin/sh\n"));
    const [program, again] = await Promise.all([
      blobs.file(sha256, { executable: true }),
      blobs.file(sha256, { executable: true }),
    ]);
    assert.equal(program, again);
    assert.equal(statSync(program ?? "").mode & 0o7777, 0o555);
    assert.equal(statSync(join(path, sha256)).mode & 0o7777, 0o444);
    // One that is left of it alone is all of it.
    rmSync(join(path, sha256));
    assert.equal(await blobs.received(sha256), null);
    const plain = await blobs.file(sha256, { executable: false });
    assert.equal(statSync(plain ?? "").mode & 0o7777, 0o444);
    assert.equal(readFileSync(plain ?? "", "utf8"), "#!/bin/sh\n");
  });

  test("goes on where its part ends, whoever sends it and in whatever pieces", async () => {
    const { blobs, path } = await newBlobs();
    const data = randomBytes(1_000);
    const about = { sha256: shaOf(data), bytes: data.length };
    const from = (offset: number, end: number) =>
      blobs.put({ ...about, offset, data: data.subarray(offset, end) });
    assert.equal(await from(0, 400), 400);
    assert.equal(await from(0, 300), 400);
    assert.equal(await from(500, 900), 400);
    blobs.close();
    const after_restart = await openBlobs({ folder: path });
    assert.equal(await after_restart.received(about.sha256), 400);
    assert.equal(await after_restart.put({ ...about, offset: 400, data: data.subarray(400) }), 1_000);
    after_restart.close();
    assert.deepEqual(namesIn(path), [about.sha256]);
  });

  test("of which all had come when the host died is looked at when somebody asks for that", async () => {
    const { blobs, path } = await newBlobs();
    const data = randomBytes(1_000);
    const about = { sha256: shaOf(data), bytes: data.length };
    const nothing = { ...about, offset: data.length, data: Buffer.alloc(0) };
    const part = join(path, "parts", about.sha256);
    writeFileSync(part, randomBytes(data.length));
    assert.equal(await blobs.received(about.sha256), data.length);
    assert.equal(await blobs.put(nothing), 0, "it was something else");
    writeFileSync(part, randomBytes(2 * data.length));
    assert.equal(await blobs.put(nothing), 0, "it is more than there is of it");
    writeFileSync(part, data);
    assert.equal(await blobs.put(nothing), data.length);
    assert.equal(await blobs.received(about.sha256), null);
    assert.deepEqual(namesIn(path), [about.sha256]);
  });

  test("that two send at once is one", async () => {
    const { blobs, path } = await newBlobs();
    const data = randomBytes(200_000);
    const about = { sha256: shaOf(data), bytes: data.length };
    async function send(size: number): Promise<void> {
      for (let at = 0; at < data.length; )
        at = await blobs.put({ ...about, offset: at, data: data.subarray(at, at + size) });
    }
    await Promise.all([send(1_000), send(1_000), send(777)]);
    assert.deepEqual(namesIn(path), [about.sha256]);
    assert.ok(readFileSync(join(path, about.sha256)).equals(data));
  });

  test("that is something else than its hash says leaves nothing", async () => {
    const { blobs, path } = await newBlobs();
    const data = randomBytes(1_000);
    const about = { sha256: shaOf(data), bytes: data.length };
    const wrong = Buffer.from(data);
    wrong[500] = (wrong[500] ?? 0) ^ 1;
    assert.equal(await blobs.put({ ...about, offset: 0, data: wrong }), 0);
    assert.deepEqual(namesIn(path), []);
    await assert.rejects(
      blobs.put({ ...about, offset: 0, data: Buffer.concat([data, data]) }),
      /more was sent than there is said to be/,
    );
    assert.equal(await blobs.put({ ...about, offset: 0, data }), 1_000);
  });
});

describe("a sweep", () => {
  const hour_ms = 3_600_000;

  test("takes what nothing has linked to and nobody has asked for since", async () => {
    let ahead_ms = 0;
    const { blobs, path } = await newBlobs({ now: () => Date.now() + ahead_ms });
    const linked = await put(blobs, Buffer.from("a"));
    await put(blobs, Buffer.from("b"));
    linkSync(join(path, linked), join(folder.path, "link"));
    ahead_ms = 23 * hour_ms;
    await blobs.sweep();
    assert.equal(namesIn(path).length, 2);
    ahead_ms = 25 * hour_ms;
    await blobs.sweep();
    assert.deepEqual(namesIn(path), [linked]);
    rmSync(join(folder.path, "link"));
    await blobs.sweep();
    assert.deepEqual(namesIn(path), []);
  });

  test("counts from when it was linked to or asked for last", async () => {
    const { blobs, path } = await newBlobs({ unused_ms: 1_000 });
    const [asked, linked] = [await put(blobs, Buffer.from("a")), await put(blobs, Buffer.from("b"))];
    await put(blobs, Buffer.from("c"));
    await delay(1_100);
    assert.equal(await blobs.received(asked), null);
    linkSync(join(path, linked), join(folder.path, "link"));
    rmSync(join(folder.path, "link"));
    await blobs.sweep();
    assert.deepEqual(namesIn(path).sort(), [asked, linked].sort());
  });

  test("takes the oldest where there is too much, and nothing that has just come", async () => {
    let ahead_ms = 0;
    const { blobs, path } = await newBlobs({ unused_bytes_max: 250, now: () => Date.now() + ahead_ms });
    const names: string[] = [];
    for (let n = 0; n < 4; n += 1) {
      names.push(await put(blobs, randomBytes(100)));
      // Their times are to differ, which a kernel counts in steps.
      await delay(20);
    }
    await blobs.sweep();
    assert.equal(namesIn(path).length, 4);
    ahead_ms = 2 * hour_ms;
    await blobs.sweep();
    assert.deepEqual(namesIn(path).sort(), names.slice(2).sort());
  });

  test("takes parts of which nothing more has come for long", async () => {
    let ahead_ms = 0;
    const { blobs, path } = await newBlobs({ now: () => Date.now() + ahead_ms });
    const data = randomBytes(100);
    await blobs.put({ sha256: shaOf(data), bytes: 200, offset: 0, data });
    writeFileSync(join(path, "parts", "1.2"), "left by a copy that was killed");
    ahead_ms = 23 * hour_ms;
    await blobs.sweep();
    assert.equal(await blobs.received(shaOf(data)), 100);
    ahead_ms = 25 * hour_ms;
    await blobs.sweep();
    assert.equal(await blobs.received(shaOf(data)), 0);
    assert.deepEqual(namesIn(path), []);
  });
});

test("what is asked for again keeps the time of its content", async () => {
  const { blobs, path } = await newBlobs();
  const sha256 = await put(blobs, Buffer.from("x"));
  utimesSync(join(path, sha256), 1_000, 1_000);
  await blobs.received(sha256);
  assert.equal(statSync(join(path, sha256)).mtimeMs, 1_000_000);
});
