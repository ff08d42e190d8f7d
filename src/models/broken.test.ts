import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as later } from "node:timers/promises";
import { BrokenStream, cutWhenEndless } from "./broken.ts";

const wide = { idle_ms: 60_000, whole_ms: 60_000, bytes_max: 1_000 };

const through = (pieces: AsyncIterable<Uint8Array>, bounds: Partial<typeof wide>) =>
  new Response(ReadableStream.from(pieces).pipeThrough(cutWhenEndless({ ...wide, ...bounds }))).text();

async function* pieces(count: number, pause_ms: number) {
  for (let i = 0; i < count; i += 1) {
    yield new Uint8Array(10).fill(97);
    if (pause_ms > 0) await later(pause_ms);
  }
}

test("what stays within its bounds passes", async () => {
  assert.equal(await through(pieces(100, 0), {}), "a".repeat(1_000));
});

test("an answer that is too long is cut", async () => {
  await assert.rejects(through(pieces(101, 0), {}), (error: unknown) => {
    assert.ok(error instanceof BrokenStream);
    assert.match(error.message, /longer than 1000 bytes/);
    return true;
  });
});

test("silence is what comes between two pieces", async () => {
  assert.equal(await through(pieces(50, 10), { idle_ms: 400 }), "a".repeat(500));
});

test("an answer that trickles for ever is cut", async () => {
  const drops = pieces(Number.POSITIVE_INFINITY, 5);
  const cut = through(drops, { idle_ms: 60_000, whole_ms: 40, bytes_max: Number.POSITIVE_INFINITY });
  await assert.rejects(cut, /took longer than 40 ms/);
});
