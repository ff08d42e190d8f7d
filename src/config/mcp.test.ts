import assert from "node:assert/strict";
import { test } from "node:test";
import { readConfig } from "../config.ts";

const configOf = (text: string) =>
  readConfig({ DROVER_CONFIG: "/etc/drover.yaml" }, { uid: 1000, home: "/home/x" }, () => text).mcp;

test("what MCP servers ask of a user is declined, unless the file says otherwise", () => {
  assert.deepEqual(configOf("{}"), { elicitation: "decline" });
  assert.deepEqual(configOf("mcp: {}"), { elicitation: "decline" });
  assert.deepEqual(configOf("mcp: { elicitation: defaults }"), { elicitation: "defaults" });
  assert.throws(
    () => configOf("mcp: { elicitation: accept }"),
    /drover\.yaml: mcp\.elicitation: must be decline or defaults/,
  );
});
