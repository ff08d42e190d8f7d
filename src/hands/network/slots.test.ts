import assert from "node:assert/strict";
import { test } from "node:test";
import { limits } from "../../limits.ts";
import type { Slot } from "./slot.ts";
import { createSlots } from "./slots.ts";

/** Slots that are made when the test says so. */
function bench({ sandboxesStart = true } = {}) {
  const begun: { inBackground: boolean; made: PromiseWithResolvers<Slot> }[] = [];
  const closed: Slot[] = [];
  const postponed: (() => void)[] = [];
  let time = 0;
  const slots = createSlots({
    make({ inBackground }) {
      const made = Promise.withResolvers<Slot>();
      begun.push({ inBackground, made });
      return made.promise;
    },
    now: () => time,
    later: (work) => postponed.push(work),
  });
  /** Ends the oldest that is being made. */
  async function finish(end: "made" | "failed" = "made"): Promise<void> {
    const next = begun.shift();
    const slot = { close: () => closed.push(slot) } as unknown as Slot;
    if (end === "made") next?.made.resolve(slot);
    else next?.made.reject(new Error("no namespaces"));
    await new Promise(setImmediate);
    if (sandboxesStart) started();
  }
  function started(): void {
    for (const work of postponed.splice(0)) work();
  }
  return { slots, begun, closed, finish, started, wait: (ms: number) => (time += ms) };
}

test("none is made before one is needed, and then a few ahead", async () => {
  const { slots, begun, finish, started } = bench();
  assert.equal(begun.length, 0);
  const first = slots.take();
  assert.deepEqual(
    begun.map(({ inBackground }) => inBackground),
    [false],
  );
  await finish();
  await first;
  for (let n = 0; n < limits.network_slots_spare; n += 1) {
    assert.equal(begun[0]?.inBackground, true);
    await finish();
  }
  assert.equal(begun.length, 0);
  await slots.take();
  started();
  assert.equal(begun.length, 1);
});

test("the next is made when the sandbox that one was taken for has had time to start", async () => {
  const { slots, begun, finish, started } = bench({ sandboxesStart: false });
  const first = slots.take();
  await finish();
  await first;
  assert.equal(begun.length, 0);
  started();
  assert.equal(begun.length, 1);
  await finish();
  await finish();
  assert.equal(begun.length, 1);
  await finish();
  await finish();
  await slots.take();
  assert.equal(begun.length, 0);
  started();
  assert.equal(begun.length, 1);
});

test("those who wait get what is ready first, however many are made at a time", async () => {
  const { slots, begun, finish } = bench();
  const taken = Array.from({ length: 20 }, () => slots.take());
  assert.equal(begun.length, limits.network_slots_making_max);
  for (let n = 0; n < 20; n += 1) {
    assert.ok(begun.length <= limits.network_slots_making_max);
    await finish();
  }
  assert.equal(new Set(await Promise.all(taken)).size, 20);
});

test("after a burst more are kept ready, and after a while fewer again", async () => {
  const { slots, begun, finish, started, wait } = bench();
  const taken = Array.from({ length: 10 }, () => slots.take());
  while (begun.length > 0) await finish();
  await Promise.all(taken);
  for (let n = 0; n < 10; n += 1) await slots.take();
  wait(limits.network_slots_lately_ms);
  started();
  let made = 0;
  for (; begun.length > 0; made += 1) await finish();
  assert.equal(made, limits.network_slots_spare);
});

test("what fails is told to one who waits, and is not tried again and again for nobody", async () => {
  const { slots, begun, finish } = bench();
  const first = slots.take();
  await Promise.all([assert.rejects(first, /no namespaces/), finish("failed")]);
  assert.equal(begun.length, 0);
  const second = slots.take();
  await finish();
  await second;
  await finish("failed");
  assert.equal(begun.length, 0);
});

test("who comes to wait for one that is made ahead does not fail with it", async () => {
  const { slots, begun, finish } = bench();
  const first = slots.take();
  await finish();
  await first;
  const second = slots.take();
  assert.equal(begun[0]?.inBackground, true);
  await finish("failed");
  await finish();
  await second;
});

test("closing closes what is ready and what is still made", async () => {
  const { slots, begun, closed, finish } = bench();
  const first = slots.take();
  await finish();
  await first;
  await finish();
  const over = slots.close();
  assert.equal(closed.length, 1);
  await finish();
  await over;
  assert.deepEqual([closed.length, begun.length], [2, 0]);
});
