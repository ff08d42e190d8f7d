import assert from "node:assert/strict";
import { test } from "node:test";
import { eventTree } from "./tree.ts";

const processed_at = "2026-10-21T10:00:00.000Z";

test("calls of MCP servers are drawn with the server's name, and nothing of theirs moves the cursor", () => {
  let drawn = "";
  const tree = eventTree({
    write(text) {
      drawn += text;
    },
  });
  tree.show({
    type: "agent.mcp_tool_use",
    id: "sevt_1",
    mcp_server_name: "tracker",
    name: "find\u001b[2J",
    input: { query: "otters" },
    processed_at,
  });
  tree.show({
    type: "agent.mcp_tool_result",
    id: "sevt_2",
    mcp_tool_use_id: "sevt_1",
    content: [{ type: "text", text: "two of them\u0007" }],
    is_error: false,
    processed_at: "2026-10-21T10:00:01.500Z",
  });
  assert.equal(drawn, "├─ find␛[2J of tracker otters\n│   result 1.50 s two of them␇\n");
});
