import assert from "node:assert/strict";
import { test } from "node:test";
import {
  createAgentBody,
  createdConfig,
  updateAgentBody,
  updatedConfig,
} from "../../../src/protocol/agents.ts";
import { resolvedTools } from "../../../src/protocol/resolve-tools.ts";
import { builtInTools as serverTools, type ToolParams } from "../../../src/protocol/tools.ts";
import { bodyOf, updateOf } from "../config/checked.ts";
import {
  agentFields,
  builtInTools,
  type Choice,
  choiceIn,
  choices,
  defaultChoice,
  firstAgent,
  ownChoice,
  type Toolset,
  withChoice,
  withDefault,
  withEntry,
} from "./agent-config.ts";

const all = Object.keys(choices) as Choice[];
const toolsets: Toolset[] = [
  { type: "agent_toolset_20260401" },
  { type: "agent_toolset_20260401", default_config: { enabled: false } },
  { type: "agent_toolset_20260401", default_config: { permission_policy: { type: "auto" } } },
  { type: "mcp_toolset", mcp_server_name: "x" },
  {
    type: "mcp_toolset",
    mcp_server_name: "x",
    configs: [{ name: "read", enabled: true }],
    default_config: { enabled: false },
  },
];

/** What the server makes of it. */
function resolved(toolset: Toolset, name: string): Choice {
  const [tool] = resolvedTools([toolset as ToolParams]);
  assert.ok(tool && tool.type !== "custom");
  const own = tool.configs.find((config) => config.name === name) ?? tool.default_config;
  return own.enabled ? own.permission_policy.type : "off";
}

test("a choice is what is read back, whatever was there before, and what the server makes of it", () => {
  for (const before of toolsets) {
    assert.equal(defaultChoice(before), resolved({ ...before, configs: [] }, "nothing"));
    for (const choice of all) {
      const after = withChoice(withChoice(before, "bash", "always_ask"), "bash", choice);
      assert.equal(choiceIn(after, "bash"), choice);
      assert.equal(resolved(after, "bash"), choice);
      for (const other of builtInTools.filter((name) => name !== "bash")) {
        assert.equal(choiceIn(after, other), choiceIn(before, other));
        assert.equal(resolved(after, other), choiceIn(before, other));
      }
      const back = withChoice(after, "bash", null);
      assert.equal(ownChoice(back, "bash"), null);
      assert.equal(choiceIn(back, "bash"), choiceIn(before, "bash"));
      const rest = withDefault(after, choice);
      assert.equal(defaultChoice(rest), choice);
      assert.equal(choiceIn(rest, "bash"), choice);
    }
  }
});

test("an entry is changed where it stands, and what nobody knows stays", () => {
  const [a, b] = [{ n: 1 }, { n: 2 }];
  assert.deepEqual(withEntry([a, "?", b], b, { n: 3 }), [a, "?", { n: 3 }]);
  assert.deepEqual(withEntry([a, b], a, undefined), [b]);
  assert.deepEqual(withEntry(undefined, undefined, a), [a]);
});

test("the tools that can be chosen are those that the server has", () => {
  assert.deepEqual(builtInTools, serverTools);
});

test("an agent that is changed into another is as if it had been made so", () => {
  const bodies = [
    firstAgent,
    { name: "a", model: "m" },
    {
      name: "b",
      description: "d",
      model: { id: "m", speed: "fast", effort: "low" },
      tools: [{ type: "custom", name: "t", description: "d", input_schema: { type: "object" } }],
      metadata: { x: "1" },
      execution_identity: { type: "aws_role", role_arn: "arn" },
    },
    {
      name: "c",
      model: "m",
      metadata: { y: "2" },
      mcp_servers: [{ type: "url", name: "s", url: "https://a.b/" }],
    },
  ];
  for (const before of bodies)
    for (const after of bodies) {
      const [from, to] = [before, after].map((body) => createdConfig(createAgentBody.parse(body)));
      assert.ok(from && to);
      const update = updateOf(bodyOf(from, agentFields), bodyOf(to, agentFields));
      assert.deepEqual(updatedConfig(from, updateAgentBody.parse(update)), to);
    }
});
