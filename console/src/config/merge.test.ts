import assert from "node:assert/strict";
import { test } from "node:test";
import { changedNames, merged, same } from "./merge.ts";

const base = { name: "a", system: "s", tools: [1], metadata: { x: "1", y: "2" } };

test("what one has changed and the other has not is taken from whoever changed it", () => {
  const mine = { ...base, system: "mine", metadata: { x: "mine", y: "2", z: "3" } };
  const { system: _, ...rest } = base;
  const theirs = { ...rest, system: "s", name: "theirs", metadata: { x: "1" }, description: "new" };
  assert.deepEqual(merged(base, mine, theirs), {
    body: { name: "theirs", system: "mine", tools: [1], metadata: { x: "mine", z: "3" }, description: "new" },
    clashes: [],
  });
});

test("what both have changed differently is mine, and is named", () => {
  const mine = { ...base, tools: [1, 2], metadata: { x: "mine" } };
  const theirs = { ...base, tools: [3], metadata: { x: "theirs", y: "2" } };
  const { body, clashes } = merged(base, mine, theirs);
  assert.deepEqual(body, { ...base, tools: [1, 2], metadata: { x: "mine" } });
  assert.deepEqual(clashes.toSorted(), ["metadata.x", "tools"]);
  assert.deepEqual(merged(base, theirs, theirs), { body: theirs, clashes: [] });
});

test("the order of names says nothing", () => {
  assert.ok(same({ a: 1, b: { c: 2, d: 3 } }, { b: { d: 3, c: 2 }, a: 1, e: undefined }));
  assert.ok(!same([1, 2], [2, 1]));
  assert.deepEqual(changedNames(base, { ...base, name: "b" }), ["name"]);
});
