import assert from "node:assert/strict";
import { test } from "node:test";
import { createAgentBody } from "../../../src/protocol/agents.ts";
import { builtInTools as serverTools } from "../../../src/protocol/tools.ts";
import { builtInTools, choiceOf, firstAgent, withChoice } from "./agent-config.ts";

test("a choice is what is read back, whatever was there before, and the server takes it", () => {
  for (const before of [
    firstAgent,
    { name: "a", model: "m" },
    {
      ...firstAgent,
      tools: [{ type: "custom", name: "t", description: "d", input_schema: { type: "object" } }],
    },
  ])
    for (const choice of ["off", "always_ask", "auto", "always_allow"] as const) {
      const after = withChoice(withChoice(before, "bash", "always_ask"), "bash", choice);
      assert.equal(choiceOf(after, "bash"), choice);
      for (const other of builtInTools.filter((name) => name !== "bash"))
        assert.equal(choiceOf(after, other), choiceOf(before, other));
      assert.deepEqual(createAgentBody.safeParse(after).error?.issues, undefined);
    }
});

test("the tools that can be chosen are those that the server has", () => {
  assert.deepEqual(builtInTools, serverTools);
});
