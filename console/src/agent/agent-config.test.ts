import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Agent,
  createAgentBody,
  createdConfig,
  updateAgentBody,
  updatedConfig,
} from "../../../src/protocol/agents.ts";
import { resolvedTools } from "../../../src/protocol/resolve-tools.ts";
import { builtInTools as serverTools, type ToolParams } from "../../../src/protocol/tools.ts";
import { updateOf } from "../config/checked.ts";
import {
  agentBody,
  builtInTools,
  type Choice,
  choiceIn,
  choices,
  defaultChoice,
  firstAgent,
  ownChoice,
  type Toolset,
  toolsetPlaces,
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
      name: "tools",
      model: "m",
      tools: [
        {
          type: "agent_toolset_20260401",
          default_config: { enabled: false, permission_policy: { type: "auto" } },
          configs: [
            { name: "bash", enabled: true },
            { name: "read", enabled: false, permission_policy: { type: "always_ask" } },
            { name: "web_fetch", allowed_domains: ["a.example.com"], max_content_tokens: 5 },
            { name: "web_search", enabled: true, user_location: { type: "approximate", city: "Bonn" } },
          ],
        },
      ],
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
      const update = updateOf(agentBody(agentOf(from)), agentBody(agentOf(to)));
      assert.deepEqual(updatedConfig(from, updateAgentBody.parse(update)), to);
      assert.deepEqual(createdConfig(createAgentBody.parse(agentBody(agentOf(from)))), from);
    }
});

const agentOf = (config: object) =>
  ({ id: "agent_1", version: 3, multiagent: null, ...config }) as unknown as Agent;

test("a tool that does as all others is not named, so that it does what they do from then on", () => {
  const of = (tools: object[]) =>
    agentBody(agentOf(createdConfig(createAgentBody.parse({ name: "a", model: "m", tools }))))
      .tools as Toolset[];
  const [plain] = of([{ type: "agent_toolset_20260401" }]);
  assert.equal(plain?.configs, undefined);
  const domains = { name: "web_fetch", allowed_domains: ["a.example.com"] };
  const [some] = of([
    { type: "agent_toolset_20260401", configs: [domains, { name: "bash", enabled: false }] },
  ]);
  assert.ok(some);
  assert.deepEqual(
    some.configs?.map(({ name }) => name),
    ["bash", "web_fetch"],
  );
  const asked = withDefault(some, "always_ask");
  assert.equal(resolved(asked, "grep"), "always_ask");
  assert.equal(resolved(asked, "web_fetch"), "always_ask");
  assert.equal(resolved(asked, "bash"), "off");
  // What else is said of a tool stays, whatever it may do.
  assert.equal(ownChoice(some, "web_fetch"), null);
  const back = withChoice(withChoice(some, "web_fetch", "off"), "web_fetch", null);
  assert.deepEqual(
    back.configs?.find(({ name }) => name === "web_fetch"),
    domains,
  );
});

test("an agent that names itself is written so, and its other versions as they are", () => {
  const [itself, older, other] = [
    { type: "agent", id: "agent_1", version: 3 },
    { type: "agent", id: "agent_1", version: 2 },
    { type: "agent", id: "agent_2", version: 3 },
  ];
  const { multiagent } = agentBody(
    agentOf({ name: "a", tools: [], multiagent: { type: "coordinator", agents: [itself, older, other] } }),
  );
  assert.deepEqual(multiagent, { type: "coordinator", agents: [{ type: "self" }, older, other] });
});

test("a server keeps its toolset while its name is that of another one", () => {
  const tool = (mcp_server_name: string) => ({ type: "mcp_toolset", mcp_server_name });
  const names = (...all: string[]) => all.map((name) => ({ name }));
  for (const places of [
    [0, 1],
    [1, 0],
    [-1, 0],
    [0, -1],
  ]) {
    const toolsFor = (second: string) => {
      const tools: object[] = [];
      for (const [server, place] of places.entries())
        if (place >= 0) tools[place] = tool(server === 0 ? "git" : second);
      return tools as Record<string, unknown>[];
    };
    let before: number[] = [];
    for (const typed of ["other", "", "gi", "git", "gith", "git", "github"]) {
      before = toolsetPlaces(names("git", typed), toolsFor(typed), before);
      assert.deepEqual(before, places, typed);
    }
  }
  assert.deepEqual(toolsetPlaces(names("a", "a"), [tool("a")], []), [0, 0]);
  assert.deepEqual(toolsetPlaces(names("a"), [{ type: "custom", name: "a" }], []), [-1]);
});
