import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import fc from "fast-check";
import { dataOfEvents } from "./server-sent.ts";

async function dataIn(chunks: Buffer[], bytesMax = 1_000_000): Promise<string[]> {
  const events: string[] = [];
  const coming = (async function* () {
    yield* chunks;
  })();
  for await (const data of dataOfEvents(coming, bytesMax)) events.push(data);
  return events;
}

test("events are the same however their bytes are cut, and whatever ends their lines", async () => {
  const lines = [
    ": a comment",
    "event: message",
    "data: é one",
    "data:two",
    "id: 1",
    "",
    "",
    "retry: 1",
    "data",
    "",
  ];
  const expected = ["é one\ntwo", "three"];
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom("\n", "\r", "\r\n"),
      fc.array(fc.nat({ max: 120 }), { maxLength: 12 }),
      async (end, cuts) => {
        const bytes = Buffer.from(
          [...lines, "data:  three".replace("  ", " "), "", "data: never ended"].join(end),
        );
        const at = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
        const chunks = at.slice(1).map((to, i) => bytes.subarray(at[i], to));
        assert.deepEqual(await dataIn(chunks), expected);
      },
    ),
  );
  assert.deepEqual(await dataIn([...Buffer.from("data: x\r\n\r\n")].map((byte) => Buffer.from([byte]))), [
    "x",
  ]);
});

test("what comes beyond the bound is not read, and an event that has not ended is none", async () => {
  const event = Buffer.from("data: x\n\n");
  assert.deepEqual(await dataIn([event, event, event], 2 * event.length), ["x", "x"]);
});

test("a megabyte that comes one byte at a time is read", async () => {
  // In a thread of its own: in this one the runner follows each of millions of promises.
  const drip = `
    const { dataOfEvents } = await import(${JSON.stringify(new URL("server-sent.ts", import.meta.url).href)});
    const { parentPort } = await import("node:worker_threads");
    async function* chunks() {
      yield Buffer.from("data: ");
      for (let n = 0; n < 1 << 20; n += 1) yield Buffer.from("x");
    }
    const events = [];
    for await (const data of dataOfEvents(chunks(), 2 << 20)) events.push(data);
    parentPort.postMessage(events);`;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(drip)}`));
  const [events] = await once(worker, "message");
  assert.deepEqual(events, []);
});
