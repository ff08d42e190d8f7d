import assert from "node:assert/strict";
import { test } from "node:test";
import { money } from "./number.ts";

test("less than a cent is not nothing, and all else is told to the cent", () => {
  assert.deepEqual([0, 0.042, 0.4, 0.999, 1, 12.5, 123_456].map(money), [
    "$0.00",
    "$0.00042",
    "$0.004",
    "$0.01",
    "$0.01",
    "$0.13",
    "$1,234.56",
  ]);
});
