import assert from "node:assert/strict";
import { test } from "node:test";
import { createAgentBody } from "../../../src/protocol/agents.ts";
import { bodyOf, checked, mistakeAt, updateOf } from "./checked.ts";

test("a mistake is named by its path, as the server would", () => {
  const { body, mistakes } = checked(
    '{"name":"a","model":"m","tools":[{"type":"nothing"}]}',
    createAgentBody,
  );
  assert.equal(body?.name, "a");
  assert.ok(mistakeAt(mistakes, "tools"));
  assert.equal(mistakeAt(mistakes, "name"), undefined);
  assert.deepEqual(checked('{"name":"a","model":"m"}', createAgentBody).mistakes, []);
});

test("a text that is no object is one mistake", () => {
  for (const text of ["{", "[]", "null", "1"]) {
    const { body, mistakes } = checked(text, createAgentBody);
    assert.equal(body, null);
    assert.deepEqual(
      mistakes.map(({ path }) => path),
      [""],
    );
  }
});

test("what says nothing is left out, and what was taken out is cleared", () => {
  const before = bodyOf({ id: "x", name: "a", system: "s", tools: [], metadata: {} }, [
    "name",
    "system",
    "tools",
    "metadata",
  ]);
  assert.deepEqual(before, { name: "a", system: "s" });
  assert.deepEqual(updateOf(before, { name: "b" }), { system: null, name: "b" });
});
