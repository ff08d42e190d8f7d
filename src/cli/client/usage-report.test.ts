import assert from "node:assert/strict";
import { test } from "node:test";
import { duration } from "./usage-report.ts";

test("time is rounded before it is split into hours, minutes and seconds", () => {
  const times = [0, 4.21, 59.4, 59.6, 119.7, 200, 3_599.8, 7_500];
  assert.deepEqual(times.map(duration), [
    "0.0 s",
    "4.2 s",
    "59 s",
    "1m 0s",
    "2m 0s",
    "3m 20s",
    "1h 0m",
    "2h 5m",
  ]);
});
