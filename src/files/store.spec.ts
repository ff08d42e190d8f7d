import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { test } from "node:test";
import { limits } from "../limits.ts";
import { BlobMissing, type FileStore } from "./store.ts";

export interface StoreUnderTest {
  store: FileStore;
  /** Names of all that it holds, whole or in part, its id left out. */
  held(): string[];
}

const keyOf = () => randomBytes(16).toString("hex");

async function* inChunks(content: Buffer, bytes: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < content.length; at += bytes) yield content.subarray(at, at + bytes);
}

async function contentOf(stream: AsyncIterable<unknown>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** What every store does. */
export function storeSpec(name: string, open: () => Promise<StoreUnderTest>): void {
  const part = limits.s3_part_bytes;
  for (const bytes of [0, 1, 1_000_000, part - 1, part, part + 1, 2 * part, 2 * part + 7]) {
    test(`${name}: what is put is what is got: ${bytes} bytes`, async () => {
      const { store, held } = await open();
      const content = randomBytes(bytes);
      const key = keyOf();
      await store.put(key, inChunks(content, 70_001));
      const hash = (buffer: Buffer) => createHash("sha256").update(buffer).digest("hex");
      assert.equal(hash(await contentOf(await store.get(key))), hash(content));
      assert.equal(held().length, 1);
      for (const [start, end] of [
        [0, 1],
        [bytes >> 1, (bytes >> 1) + 5],
        [bytes - 1, bytes],
      ] as const)
        if (start >= 0 && end <= bytes)
          assert.deepEqual(
            await contentOf(await store.get(key, { start, end })),
            content.subarray(start, end),
          );
      await store.remove(key);
      await assert.rejects(store.get(key), BlobMissing);
      assert.deepEqual(held(), []);
    });
  }

  test(`${name}: what is not there is removed without a word, again and again`, async () => {
    const { store } = await open();
    const key = keyOf();
    await store.remove(key);
    await store.put(key, inChunks(Buffer.from("x"), 1));
    await store.remove(key);
    await store.remove(key);
  });

  for (const bytes of [0, 1_000, 3 * part]) {
    test(`${name}: content that breaks off after ${bytes} bytes can be removed, and nobody sees it`, async () => {
      const { store, held } = await open();
      const key = keyOf();
      let ended = false;
      async function* breaking() {
        try {
          yield* inChunks(randomBytes(bytes), 70_001);
          throw new Error("the client is gone");
        } finally {
          ended = true;
        }
      }
      await assert.rejects(store.put(key, breaking()), /the client is gone/);
      assert.ok(ended);
      await assert.rejects(store.get(key), BlobMissing);
      await store.remove(key);
      assert.deepEqual(held(), []);
    });
  }

  test(`${name}: it has one id, whoever comes first`, async () => {
    const { store } = await open();
    assert.equal(await store.identify(null), null);
    const [one, two] = await Promise.all([store.identify("a".repeat(32)), store.identify("b".repeat(32))]);
    assert.equal(one, two);
    assert.match(one ?? "", /^(a{32}|b{32})$/);
    assert.equal(await store.identify(null), one);
    assert.equal(await store.identify("c".repeat(32)), one);
  });
}
