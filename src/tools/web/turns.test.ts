import assert from "node:assert/strict";
import { test } from "node:test";
import { createTurns } from "./turns.ts";

const never = new AbortController().signal;

test("so many have a turn at once, and the others get theirs in the order they came", async () => {
  const turns = createTurns(2);
  const begun: number[] = [];
  const releases: (() => void)[] = [];
  const takers = [1, 2, 3, 4].map(async (number) => {
    const release = await turns.take(never);
    begun.push(number);
    releases.push(release);
  });
  await Promise.all(takers.slice(0, 2));
  assert.deepEqual(begun, [1, 2]);
  releases.shift()?.();
  await takers[2];
  assert.deepEqual(begun, [1, 2, 3]);
  releases.shift()?.();
  await takers[3];
  assert.deepEqual(begun, [1, 2, 3, 4]);
});

test("who gives up waiting takes no turn from those behind", async () => {
  const turns = createTurns(1);
  const release = await turns.take(never);
  const impatient = new AbortController();
  const first = turns.take(impatient.signal);
  const second = turns.take(never);
  impatient.abort(new Error("enough"));
  await assert.rejects(first, /enough/);
  release();
  const last = await second;
  await assert.rejects(turns.take(AbortSignal.abort(new Error("late"))), /late/);
  last();
  (await turns.take(never))();
});
