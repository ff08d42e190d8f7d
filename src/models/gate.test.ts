import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { limits } from "../limits.ts";
import { createGate, type Entry, type GateLimits } from "./gate.ts";
import { scriptedClock } from "./testing.ts";

const never = new AbortController().signal;

function gateWith(some: Partial<GateLimits>) {
  const clock = scriptedClock();
  const gate = createGate({ max_concurrency: null, requests_per_minute: null, ...some }, clock);
  const entries: (Entry & { name: string })[] = [];
  const come = (name: string, signal = never) =>
    gate.enter(signal).then((entry) => {
      entries.push({ ...entry, name });
    });
  const inside = async () => {
    await setImmediate();
    return entries.filter(({ entered }) => entered).map(({ name }) => name);
  };
  const leave = (name: string) => {
    const entry = entries.find((candidate) => candidate.name === name);
    if (entry?.entered) entry.leave();
  };
  return { clock, gate, entries, come, inside, leave };
}

describe("a gate", () => {
  test("without limits lets everybody in", async () => {
    const { come, inside } = gateWith({});
    for (const name of ["a", "b", "c"]) come(name);
    assert.deepEqual(await inside(), ["a", "b", "c"]);
  });

  test("lets so many in at once, in their order", async () => {
    const { come, inside, leave } = gateWith({ max_concurrency: 2 });
    for (const name of ["a", "b", "c", "d"]) come(name);
    assert.deepEqual(await inside(), ["a", "b"]);
    leave("b");
    assert.deepEqual(await inside(), ["a", "b", "c"]);
  });

  test("lets so many in within a minute", async () => {
    const { clock, come, inside, leave } = gateWith({ requests_per_minute: 2 });
    come("a");
    clock.pass(20_000);
    come("b");
    come("c");
    assert.deepEqual(await inside(), ["a", "b"]);
    leave("a");
    leave("b");
    clock.pass(39_999);
    come("d");
    assert.deepEqual(await inside(), ["a", "b"]);
    clock.pass(1);
    assert.deepEqual(await inside(), ["a", "b", "c"]);
    clock.pass(20_000);
    assert.deepEqual(await inside(), ["a", "b", "c", "d"]);
  });

  test("keeps the pause that a provider asks for", async () => {
    const { clock, gate, come, inside } = gateWith({});
    gate.pause(5_000);
    gate.pause(1_000);
    come("a");
    clock.pass(4_999);
    assert.deepEqual(await inside(), []);
    clock.pass(1);
    assert.deepEqual(await inside(), ["a"]);
  });

  test("lets nobody wait for an hour because one answer said so", async () => {
    const { clock, gate, come, inside } = gateWith({});
    gate.pause(3_600_000);
    assert.equal(gate.pausedFor(), limits.model_pause_ms_max);
    come("a");
    clock.pass(limits.model_pause_ms_max);
    assert.deepEqual(await inside(), ["a"]);
  });

  test("sends away who has waited too long, and nobody else", async () => {
    const { clock, come, entries, inside, leave } = gateWith({ max_concurrency: 1 });
    come("a");
    come("b");
    clock.pass(limits.model_turn_wait_ms_max - 1);
    come("c");
    clock.pass(1);
    await inside();
    assert.deepEqual(
      entries.map(({ name, entered }) => [name, entered]),
      [
        ["a", true],
        ["b", false],
      ],
    );
    leave("a");
    assert.deepEqual(await inside(), ["a", "c"]);
  });

  test("who leaves the queue takes no place", async () => {
    const { come, entries, inside, leave } = gateWith({ max_concurrency: 1 });
    const abort = new AbortController();
    come("a");
    come("b", abort.signal);
    come("c", AbortSignal.abort());
    come("d");
    abort.abort();
    await inside();
    leave("a");
    assert.deepEqual(await inside(), ["a", "d"]);
    assert.equal(entries.filter(({ entered }) => !entered).length, 2);
  });

  test("an abort of who is in sends nobody away who waits", async () => {
    const { come, inside, leave } = gateWith({ max_concurrency: 1 });
    const abort = new AbortController();
    come("a", abort.signal);
    come("b");
    assert.deepEqual(await inside(), ["a"]);
    abort.abort();
    leave("a");
    assert.deepEqual(await inside(), ["a", "b"]);
  });

  test("leaves no timer behind when nobody waits any more", async () => {
    const { clock, gate, come, inside } = gateWith({});
    const abort = new AbortController();
    gate.pause(5_000);
    come("a", abort.signal);
    come("b", abort.signal);
    // One for each that waits, and one for the end of the pause.
    assert.equal(clock.timers(), 3);
    abort.abort();
    await inside();
    assert.equal(clock.timers(), 0);
  });
});
