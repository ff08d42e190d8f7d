import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError } from "./errors.ts";
import {
  decodeCursor,
  encodeCursor,
  numberPosition,
  type Order,
  requirePositionInRange,
  timePosition,
  timestamp,
  twoWayPageFrom,
} from "./page.ts";

const refused = (action: () => unknown, message: RegExp) =>
  assert.throws(action, (error: unknown) => {
    assert.ok(error instanceof ApiError);
    assert.equal(error.status, 400);
    assert.match(error.message, message);
    return true;
  });

const scope = (list: string, order: Order = "desc") => ({ list, order });
const position = { at: "2026-11-21T04:05:06.123456Z", id: "sesn_01x" };

test("a cursor comes back as it was, for its own list and order only", () => {
  const text = encodeCursor(scope("sessions"), position, true);
  assert.match(text, /^[\w-]+$/);
  assert.deepEqual(decodeCursor(text, scope("sessions"), timePosition), { position, back: true });
  refused(() => decodeCursor(text, scope("sessions", "asc"), timePosition), /order=desc/);
  refused(() => decodeCursor(text, scope("agents"), timePosition), /not a cursor of this list/);
  refused(() => decodeCursor(text, scope("sessions"), numberPosition), /not a cursor of this list/);
});

test("what nobody handed out is refused", () => {
  const forged = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const valid = { list: "a", order: "desc", back: false, position: { number: 1 } };
  assert.equal(decodeCursor(forged(valid), scope("a"), numberPosition)?.position.number, 1);
  for (const text of [
    "",
    "%%%",
    "e30",
    forged(null),
    forged([]),
    forged({ ...valid, order: "up" }),
    forged({ ...valid, position: { number: "1" } }),
    forged({ ...valid, position: { number: -1 } }),
  ]) {
    refused(() => decodeCursor(text, scope("a"), numberPosition), /not a cursor of this list/);
  }
  const notATime = forged({ ...valid, position: { at: "2026-02-30T00:00:00Z", id: "x" } });
  refused(() => decodeCursor(notATime, scope("a"), timePosition), /not a cursor of this list/);
});

test("a range may not leave out the cursor's position, to the microsecond and in any time zone", () => {
  const inside = [
    {},
    { gte: position.at, lte: position.at },
    { gt: "2026-11-21T04:05:06.123455Z", lt: "2026-11-21T04:05:06.123457Z" },
    { gte: "2026-11-21T05:05:06.123456+01:00" },
  ];
  for (const range of inside) requirePositionInRange(position, range);
  const outside = [
    { gt: position.at },
    { lt: position.at },
    { gte: "2026-11-21T04:05:06.123457Z" },
    { lte: "2026-11-21T04:05:06.123455Z" },
    { gte: "2026-11-21T04:05:07Z" },
  ];
  for (const range of outside) refused(() => requirePositionInRange(position, range), /created_at filter/);
});

test("a two-way list is walked forth and back over the same pages", () => {
  const all = [1, 2, 3, 4, 5];
  const limit = 2;
  const list = scope("numbers", "asc");
  const fetch = (page: string | null) => {
    const cursor = page === null ? undefined : decodeCursor(page, list, numberPosition);
    const at = cursor?.position.number ?? 0;
    const rows = cursor?.back ? all.filter((n) => n < at).reverse() : all.filter((n) => n > at);
    return twoWayPageFrom(
      rows.slice(0, limit + 1),
      limit,
      list,
      cursor,
      (number) => ({ number }),
      (number) => number,
    );
  };
  const first = fetch(null);
  const second = fetch(first.next_page);
  const third = fetch(second.next_page);
  assert.deepEqual([first.data, second.data, third.data], [[1, 2], [3, 4], [5]]);
  assert.equal(first.prev_page, null);
  assert.equal(third.next_page, null);
  const back = fetch(third.prev_page);
  const start = fetch(back.prev_page);
  assert.deepEqual(
    [back.data, start.data],
    [
      [3, 4],
      [1, 2],
    ],
  );
  assert.equal(start.prev_page, null);
  assert.deepEqual(fetch(start.next_page).data, [3, 4]);
});

test("times are read as UTC and keep their microseconds", () => {
  const read = {
    "2026-01-01T00:00:00+23:00": "2025-12-31T01:00:00Z",
    "2026-01-01T00:00:00.123456-01:30": "2026-01-01T01:30:00.123456Z",
    "2026-01-01T00:00:00.1234567Z": "2026-01-01T00:00:00.123456Z",
    [position.at]: position.at,
  };
  for (const [text, time] of Object.entries(read)) assert.equal(timestamp.parse(text), time);
  for (const text of [
    "soon",
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00+00:01",
    "9999-12-31T23:59:59-00:01",
  ]) {
    assert.equal(timestamp.safeParse(text).success, false, text);
  }
});
