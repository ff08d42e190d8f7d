import assert from "node:assert/strict";
import { test } from "node:test";
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
  // One byte at a time, a megabyte of it.
  const drip = Array.from({ length: 1 << 20 }, () => Buffer.from("x"));
  assert.deepEqual(await dataIn([Buffer.from("data: "), ...drip], 2 << 20), []);
});
