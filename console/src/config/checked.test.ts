import assert from "node:assert/strict";
import { test } from "node:test";
import { createAgentBody } from "../../../src/protocol/agents.ts";
import { Problem } from "../api/request.ts";
import { bodyOf, checked, mistakeAt, refusedFields, updateOf } from "./checked.ts";

test("a mistake is named by its path, in the server's words", () => {
  const { body, mistakes } = checked(
    '{"name":"a","model":"m","tools":[{"type":"nothing"}],"sandbox":1}',
    createAgentBody,
  );
  assert.equal(body?.name, "a");
  assert.match(mistakeAt(mistakes, "tools") ?? "", /^0\.type: must be one of /);
  assert.match(mistakeAt(mistakes, "sandbox") ?? "", /^unknown field; a secret becomes/);
  assert.equal(mistakeAt(mistakes, "name"), undefined);
  assert.deepEqual(checked('{"name":"a","model":"m"}', createAgentBody).mistakes, []);
});

test("a text that is no object is one mistake, and where it is no JSON it is said where", () => {
  for (const text of ["{", "[]", "null", "1"]) {
    const { body, mistakes } = checked(text, createAgentBody);
    assert.equal(body, null);
    assert.deepEqual(
      mistakes.map(({ path }) => path),
      [""],
    );
  }
  const [mistake] = checked('{\n  "a": oops\n}', null).mistakes;
  assert.equal(mistake?.at, 9);
});

test("what the server refuses is said at its fields, or as a whole", () => {
  const refused = (message: string, status = 400) =>
    refusedFields(new Problem(status, "invalid_request_error", message, null), ["tools", "skills", "config"]);
  assert.deepEqual(refused('tools.0.mcp_server_name: "x" is not in mcp_servers; skills: need read'), [
    { path: "tools.0.mcp_server_name", message: '"x" is not in mcp_servers' },
    { path: "skills", message: "need read" },
  ]);
  assert.equal(refused("agent x is archived"), null);
  assert.equal(refused("other: is wrong"), null);
  assert.equal(refused("tools: is wrong", 409), null);
});

test("what says nothing is left out, and what was taken out is cleared, of metadata by name", () => {
  const before = bodyOf({ id: "x", name: "a", system: "s", tools: [], metadata: { x: "1", y: "2" } }, [
    "name",
    "system",
    "tools",
    "metadata",
  ]);
  assert.deepEqual(before, { name: "a", system: "s", metadata: { x: "1", y: "2" } });
  assert.deepEqual(updateOf(before, { name: "b" }), {
    system: null,
    name: "b",
    metadata: { x: null, y: null },
  });
  assert.deepEqual(updateOf(before, { name: "b", metadata: { y: "3", z: "4" } }).metadata, {
    x: null,
    y: "3",
    z: "4",
  });
  // What is the same is not named, and a name that every object has is one as others.
  assert.deepEqual(updateOf(before, { ...before, name: "b" }), { name: "b" });
  const odd = { metadata: { constructor: "1", x: "1" } };
  assert.deepEqual(updateOf(odd, { metadata: { x: "1" } }), { metadata: { constructor: null } });
  assert.deepEqual(updateOf({ metadata: { x: "1" } }, odd), { metadata: { constructor: "1" } });
  assert.deepEqual(updateOf({ name: "a" }, { name: "b" }), { name: "b" });
});
