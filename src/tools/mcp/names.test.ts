import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { mcpToolName } from "./names.ts";

test("names that every vendor takes show the server and the tool", () => {
  assert.equal(mcpToolName("github", "create_issue"), "mcp__github__create_issue");
  assert.equal(mcpToolName("my-server_2", "a__b"), "mcp__my-server_2__a__b");
});

test("what cannot be shown as it is ends in a hash", () => {
  for (const [server, tool] of [
    ["git hub", "create issue"],
    ["a__b", "c"],
    ["a_", "b"],
    ["a", "_b"],
    ["s", "t".repeat(128)],
    ["ä", "ö"],
    ["s", "tool_0123456789ab"],
  ] as const) {
    const name = mcpToolName(server, tool);
    assert.match(name, /^mcp__[A-Za-z0-9_-]+__[A-Za-z0-9_-]+_[0-9a-f]{12}$/);
    assert.ok(name.length <= 64, name);
  }
  assert.equal(
    mcpToolName("git hub", "create issue").replace(/_[0-9a-f]{12}$/, ""),
    "mcp__git_hub__create_issue",
  );
});

test("no two tools share a name, and each keeps its own", () => {
  const part = fc.oneof(
    fc.string({ minLength: 1, maxLength: 255 }),
    fc.stringMatching(/^[ab_-]{1,6}$/),
    fc.stringMatching(/^[ab]{1,2}_[0-9a]{12}$/),
  );
  const one = fc.tuple(part, part);
  fc.assert(
    fc.property(one, one, ([server, tool], [otherServer, otherTool]) => {
      const name = mcpToolName(server, tool);
      assert.match(name, /^[A-Za-z0-9_-]{1,64}$/);
      assert.equal(mcpToolName(server, tool), name);
      if (server !== otherServer || tool !== otherTool)
        assert.notEqual(mcpToolName(otherServer, otherTool), name);
    }),
    { numRuns: 5_000 },
  );
});
