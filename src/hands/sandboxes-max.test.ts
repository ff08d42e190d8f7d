import assert from "node:assert/strict";
import { test } from "node:test";
import { memoryBytes, sandboxesOn } from "./sandboxes-max.ts";

test("a host runs as many sandboxes as its memory is good for", () => {
  const gib = 2 ** 30;
  assert.deepEqual(
    [0.5, 4, 24, 64, 1_024].map((memory) => sandboxesOn(memory * gib)),
    [16, 42, 256, 682, 1_000],
  );
  assert.ok(memoryBytes() > 0.1 * gib && Number.isSafeInteger(memoryBytes()));
});
