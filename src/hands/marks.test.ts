import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { markPrefix, scanMarks } from "./marks.ts";

const prefix = markPrefix("ab");
const mark = (number: number) =>
  Buffer.concat([prefix, Buffer.from(`${number.toString(16).padStart(8, "0")}\x1e`, "latin1")]);

function scan(chunks: Buffer[]): (string | number)[] {
  const seen: (string | number)[] = [];
  const scanner = scanMarks(prefix, {
    bytes(chunk) {
      const last = seen.at(-1);
      if (typeof last === "string") seen[seen.length - 1] = last + chunk.toString("latin1");
      else seen.push(chunk.toString("latin1"));
    },
    mark: (number) => seen.push(number),
  });
  for (const chunk of chunks) scanner.write(chunk);
  scanner.end();
  return seen;
}

test("marks are taken out wherever chunks are cut, and look-alikes stay", () => {
  const piece = fc.oneof(
    fc.nat({ max: 0xffffffff }),
    fc.constantFrom(
      "\x1e",
      "\x1eab",
      "\x1eab:",
      "\x1eab:0000000",
      "\x1eab:0000000g\x1e",
      "text",
      "\x1e\x1eab:1",
    ),
  );
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 8 }),
      fc.infiniteStream(fc.integer({ min: 1, max: 30 })),
      (pieces, cuts) => {
        const whole = Buffer.concat(
          pieces.map((each) => (typeof each === "number" ? mark(each) : Buffer.from(each, "latin1"))),
        );
        const chunks: Buffer[] = [];
        for (let at = 0; at < whole.length; ) {
          const length = Number(cuts.next().value);
          chunks.push(whole.subarray(at, at + length));
          at += length;
        }
        assert.deepEqual(scan(chunks), scan([whole]));
        const numbers = pieces.filter((each) => typeof each === "number");
        assert.deepEqual(
          scan([whole]).filter((each) => typeof each === "number"),
          numbers,
        );
      },
    ),
  );
});

test("what might have begun a mark is passed on at the end", () => {
  assert.deepEqual(scan([Buffer.from("a\x1eab:00", "latin1")]), ["a\x1eab:00"]);
});

test("output is not held back without reason", () => {
  const seen: string[] = [];
  const scanner = scanMarks(prefix, { bytes: (chunk) => seen.push(chunk.toString()), mark: () => {} });
  scanner.write(Buffer.from("a line\n"));
  assert.deepEqual(seen, ["a line\n"]);
});
