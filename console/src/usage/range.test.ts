import assert from "node:assert/strict";
import { test } from "node:test";
import { bucketName, earlier, later, spanOf, zoneNote } from "./range.ts";

const now = Date.parse("2026-03-10T14:25:00Z");
const iso = (ms: number) => new Date(ms).toISOString().slice(0, 16);

test("a span ends with the bucket of now, or where the address says", () => {
  const day = spanOf("24h", undefined, now);
  assert.deepEqual([iso(day.from), iso(day.to), day.width], ["2026-03-09T15:00", "2026-03-10T15:00", "1h"]);
  const week = spanOf("7d", undefined, now);
  assert.deepEqual(
    [iso(week.from), iso(week.to), week.width],
    ["2026-03-04T00:00", "2026-03-11T00:00", "1d"],
  );
  const past = spanOf("31d", "2026-02-01T00:00:00Z", now);
  assert.deepEqual([iso(past.from), iso(past.to)], ["2026-01-01T00:00", "2026-02-01T00:00"]);
  for (const until of ["2030-01-01T00:00:00Z", "never"]) assert.deepEqual(spanOf("7d", until, now), week);
});

test("one leads to the one before it, and back to the present one", () => {
  const week = spanOf("7d", undefined, now);
  const before = spanOf("7d", earlier(week), now);
  assert.equal(before.to, week.from);
  assert.equal(later("7d", before, now), undefined);
  const twice = spanOf("7d", earlier(before), now);
  assert.equal(spanOf("7d", later("7d", twice, now), now).from, before.from);
});

test("a day is one of UTC, and says when it begins elsewhere", () => {
  assert.equal(bucketName("1d", Date.parse("2026-03-10T00:00:00Z")), "10 Mar");
  assert.match(zoneNote("1d", "Asia/Kolkata"), /begins at 05:30/);
  assert.match(zoneNote("1d", "UTC"), /yours too/);
  assert.match(zoneNote("1h", "Asia/Kolkata"), /your time zone, Asia\/Kolkata/);
});
