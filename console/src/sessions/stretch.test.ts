import assert from "node:assert/strict";
import { test } from "node:test";
import type { Session } from "../../../src/protocol/sessions.ts";
import { boundsOf, stretchOf, withStretch } from "./stretch.ts";

const session = (n: number, status = "idle") =>
  ({ id: `sesn_${n}`, created_at: `2026-01-01T00:00:${String(n).padStart(2, "0")}Z`, status }) as Session;
const sessions = (...numbers: number[]) => numbers.map((n) => session(n));
const ids = (list: readonly Session[] | null) => list?.map(({ id }) => Number(id.slice(5)));

const list = sessions(9, 8, 7, 6, 5, 4);

test("what is in sight is asked for by its times, and openly where the list ends", () => {
  assert.deepEqual(boundsOf(stretchOf(list, { from: 1, to: 3 }, "desc", false)), {
    "created_at[lte]": session(8).created_at,
    "created_at[gte]": session(6).created_at,
  });
  assert.deepEqual(boundsOf(stretchOf(list, { from: 0, to: 5 }, "desc", false)), {
    "created_at[lte]": undefined,
    "created_at[gte]": session(4).created_at,
  });
  assert.deepEqual(boundsOf(stretchOf(list, { from: 0, to: 9 }, "desc", true)), {
    "created_at[lte]": undefined,
    "created_at[gte]": undefined,
  });
  assert.deepEqual(boundsOf(stretchOf(list.toReversed(), { from: 1, to: 2 }, "asc", false)), {
    "created_at[lte]": session(6).created_at,
    "created_at[gte]": session(5).created_at,
  });
  assert.deepEqual(boundsOf(stretchOf([], { from: 0, to: -1 }, "desc", true)), {
    "created_at[lte]": undefined,
    "created_at[gte]": undefined,
  });
});

test("nothing but the stretch changes, and what is as it was is the same object", () => {
  const middle = stretchOf(list, { from: 1, to: 3 }, "desc", false);
  assert.equal(withStretch(list, middle, sessions(8, 7, 6), true), list);
  const changed = withStretch(list, middle, [session(8), session(7, "running"), session(6)], true);
  assert.deepEqual(ids(changed), [9, 8, 7, 6, 5, 4]);
  assert.equal(changed?.[2]?.status, "running");
  assert.equal(changed?.[1], list[1]);
  assert.deepEqual(ids(withStretch(list, middle, sessions(8, 6), true)), [9, 8, 6, 5, 4]);
});

test("new ones come at the ends, none twice", () => {
  const top = stretchOf(list, { from: 0, to: 2 }, "desc", false);
  assert.deepEqual(
    ids(withStretch(list, top, sessions(11, 10, 9, 8, 7, 6), true)),
    [11, 10, 9, 8, 7, 6, 5, 4],
  );
  const empty = stretchOf([], { from: 0, to: -1 }, "desc", true);
  assert.deepEqual(ids(withStretch([], empty, sessions(1), true)), [1]);
});

test("an answer that is cut off takes nothing away; at the beginning the list is begun anew", () => {
  const middle = stretchOf(list, { from: 1, to: 3 }, "desc", false);
  assert.deepEqual(ids(withStretch(list, middle, [session(8, "running")], false)), [9, 8, 7, 6, 5, 4]);
  const top = stretchOf(list, { from: 0, to: 2 }, "desc", false);
  assert.equal(withStretch(list, top, sessions(11), false), null);
});

test("a list that has changed since it was asked for stays as it is", () => {
  const middle = stretchOf(list, { from: 1, to: 3 }, "desc", false);
  const other = sessions(9, 5, 4);
  assert.equal(withStretch(other, middle, sessions(8, 7, 6), true), other);
});
