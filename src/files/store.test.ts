import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type FakeS3, startFakeS3 } from "../../test/fakes/s3.ts";
import { limits } from "../limits.ts";
import { folderStore } from "./folder.ts";
import { s3Store } from "./s3/s3.ts";
import { storeSpec } from "./store.spec.ts";
import { FileStoreAway, FileStoreFull } from "./store.ts";

const root = mkdtempSync(join(tmpdir(), "drover-store-"));
after(() => rmSync(root, { recursive: true, force: true }));

const fresh = () => mkdtempSync(join(root, "case-"));
const one = async function* (content: Buffer) {
  yield content;
};

async function openFolder() {
  const folder = fresh();
  const store = folderStore(folder);
  mkdirSync(join(folder, "incoming"));
  const held = () =>
    readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((entry) =>
      entry.isFile() && entry.name !== "store-id" ? [entry.name] : [],
    );
  return { store, held };
}
storeSpec("a folder", openFolder);

describe("a folder", () => {
  test("that is not there any more, as when its share is not mounted, is not made anew", async () => {
    const folder = fresh();
    const store = folderStore(folder);
    await store.identify("a".repeat(32));
    renameSync(folder, `${folder}-away`);
    mkdirSync(folder);
    await assert.rejects(store.put("k1", one(Buffer.from("x"))), FileStoreAway);
    assert.deepEqual(readdirSync(folder), []);
    assert.equal(await store.identify(null), null);
  });
});

describe("S3", () => {
  let fake: FakeS3;
  before(async () => {
    fake = await startFakeS3();
  });
  after(() => fake.close());

  storeSpec("S3", async () => {
    for (const held of [fake.objects, fake.uploads]) held.clear();
    const names = () => [...fake.objects.keys(), ...[...fake.uploads.values()].map(({ key }) => key)];
    const held = () => names().filter((name) => !name.endsWith("/store-id"));
    return { store: s3Store(fake.settings), held };
  });

  const part = limits.s3_part_bytes;

  test("keeps everything under its prefix", async () => {
    const store = s3Store(fake.settings);
    await store.identify("a".repeat(32));
    await store.put("k1", one(Buffer.from("x")));
    for (const name of fake.objects.keys()) assert.match(name, /^some\/where\/(store-id|blobs\/)/);
  });

  test("is asked again where it is busy, and not where it refuses", async () => {
    const store = s3Store(fake.settings);
    fake.failures = [
      { status: 503, code: "SlowDown" },
      { status: 500, code: "InternalError" },
    ];
    await store.put("k2", one(randomBytes(2 * part)));
    assert.equal(fake.objects.get("some/where/blobs/k2")?.length, 2 * part);
    const before = fake.asked.length;
    fake.failures = [{ status: 403, code: "AccessDenied" }];
    await assert.rejects(store.put("k3", one(Buffer.from("x"))), /PUT blobs\/k3: 403 AccessDenied/);
    assert.equal(fake.asked.length, before + 1);
    fake.failures = Array(limits.s3_attempts_max).fill({ status: 503, code: "SlowDown" });
    await assert.rejects(store.get("k2"), FileStoreAway);
    assert.deepEqual(fake.failures, []);
  });

  test("that has no more room says so at once", async () => {
    const store = s3Store(fake.settings);
    fake.failures = [{ status: 507, code: "XMinioStorageFull" }];
    await assert.rejects(store.put("k4", one(Buffer.from("x"))), FileStoreFull);
    assert.deepEqual(fake.failures, []);
  });

  test("whose upload fails at its very end has kept nothing", async () => {
    const store = s3Store(fake.settings);
    fake.completionFails = true;
    await assert.rejects(store.put("k5", one(randomBytes(2 * part))), /not completed: InternalError/);
    fake.completionFails = false;
    await store.remove("k5");
    assert.equal(fake.uploads.size, 0);
    assert.ok(!fake.objects.has("some/where/blobs/k5"));
  });

  test("with the wrong key lets nobody in", async () => {
    const credentials = { ...fake.settings.credentials, secret_access_key: "wrong" };
    const store = s3Store({ ...fake.settings, credentials });
    await assert.rejects(store.get("k1"), /403 SignatureDoesNotMatch/);
  });

  test("that nobody answers for is away", async () => {
    const gone = await startFakeS3();
    await gone.close();
    await assert.rejects(s3Store(gone.settings).put("k1", one(Buffer.from("x"))), FileStoreAway);
  });
});
