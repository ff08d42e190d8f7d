import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Agent, createAgentBody, createdConfig } from "./agents.ts";
import { ApiError } from "./errors.ts";
import {
  agentAsked,
  createSessionBody,
  listSessionsQuery,
  sessionAgent,
  updateSessionBody,
} from "./sessions.ts";

const toolset = { type: "agent_toolset_20260401" };

function agentWith(fields: object): Agent {
  const config = createdConfig(createAgentBody.parse({ name: "a", model: "m", ...fields }));
  const at = "2026-11-21T00:00:00.000000Z";
  return {
    id: "agent_01x",
    type: "agent",
    version: 3,
    ...config,
    multiagent: null,
    created_at: at,
    updated_at: at,
    archived_at: null,
  };
}

/** The snapshot for `overrides`, as a request to create a session would bring them. */
function snapshot(agent: Agent, overrides: object) {
  const { agent: param } = createSessionBody.parse({
    agent: { type: "agent_with_overrides", id: agent.id, ...overrides },
    environment_id: "env_01x",
  });
  return sessionAgent(agent, agentAsked(param).overrides);
}

const full = agentWith({
  model: { id: "m", effort: "low" },
  system: "s",
  tools: [toolset, { type: "mcp_toolset", mcp_server_name: "s" }],
  mcp_servers: [{ type: "url", name: "s", url: "https://a.example.com" }],
  skills: [{ type: "anthropic", skill_id: "pdf" }],
  metadata: { a: "1" },
});

describe("the agent of a session", () => {
  test("is asked for in three forms", () => {
    const asked = (agent: unknown) =>
      agentAsked(createSessionBody.parse({ agent, environment_id: "env_01x" }).agent);
    assert.deepEqual(asked("agent_01x"), { id: "agent_01x", version: null, overrides: {} });
    assert.deepEqual(asked({ type: "agent", id: "agent_01x", version: 2 }), {
      id: "agent_01x",
      version: 2,
      overrides: {},
    });
    assert.deepEqual(asked({ type: "agent_with_overrides", id: "agent_01x", system: null }), {
      id: "agent_01x",
      version: null,
      overrides: { system: null },
    });
  });

  test("inherits what is not overridden", () => {
    const { metadata: _, created_at, updated_at, archived_at, ...expected } = full;
    assert.deepEqual(snapshot(full, {}), expected);
    assert.deepEqual(sessionAgent(full), expected);
  });

  test("has what is given, whole", () => {
    const { model, system, tools, mcp_servers, skills, version } = snapshot(full, {
      model: { id: "n", effort: "max", speed: "fast" },
      system: "t",
      tools: [{ ...toolset, default_config: { enabled: false }, configs: [{ name: "read", enabled: true }] }],
      mcp_servers: [],
      skills: [{ type: "custom", skill_id: "skill_01x", version: "7" }],
    });
    assert.deepEqual(model, { id: "n", effort: { type: "high" }, speed: "fast" });
    assert.equal(system, "t");
    assert.deepEqual(
      tools.flatMap((tool) =>
        tool.type === "agent_toolset_20260401" ? tool.configs.filter((config) => config.enabled) : [],
      ),
      [{ type: "read", name: "read", enabled: true, permission_policy: { type: "always_allow" } }],
    );
    assert.deepEqual(mcp_servers, []);
    assert.deepEqual(skills, [{ type: "custom", skill_id: "skill_01x", version: "7" }]);
    assert.equal(version, 3);
  });

  test("does not carry the agent's effort over, even to the same model", () => {
    assert.deepEqual(snapshot(full, { model: "m" }).model.effort, { type: "high" });
  });

  test("null and empty lists clear", () => {
    const cleared = snapshot(full, { system: null, tools: null, mcp_servers: [], skills: [] });
    assert.deepEqual(
      [cleared.system, cleared.tools, cleared.mcp_servers, cleared.skills],
      [null, [], [], []],
    );
  });

  const refused: [string, object, RegExp][] = [
    ["a cleared model", { model: null }, /^agent\.model: cannot be cleared$/],
    ["tools cleared under skills", { tools: [] }, /^agent\.skills: need an agent toolset in agent\.tools/],
    [
      "servers cleared under a toolset",
      { mcp_servers: null },
      /^agent\.tools\.1\.mcp_server_name: "s" is not in/,
    ],
  ];
  for (const [what, overrides, message] of refused) {
    test(`refuses ${what}`, () => {
      assert.throws(
        () => snapshot(full, overrides),
        (error: unknown) => {
          assert.ok(error instanceof ApiError);
          assert.equal(error.status, 400);
          assert.match(error.message, message);
          if (what === "a cleared model") assert.equal(error.details?.error_code, "agent_model_required");
          return true;
        },
      );
    });
  }

  test("refuses an agent that leads others", () => {
    const boss: Agent = { ...full, multiagent: { type: "coordinator", agents: [] } };
    assert.throws(() => sessionAgent(boss), /multiagent/);
  });
});

test("what is not supported is refused by name, and empty lists are no request for it", () => {
  const base = { agent: "agent_01x", environment_id: "env_01x" };
  createSessionBody.parse({ ...base, resources: [], vault_ids: [], initial_events: [] });
  const message = { type: "user.message", content: [{ type: "text", text: "x" }] };
  const outcome = { type: "user.define_outcome", description: "d", rubric: { type: "text", content: "r" } };
  for (const fields of [
    { resources: [{ type: "folder", path: "/" }] },
    { vault_ids: ["vlt_1", "vlt_2", "vlt_1"] },
    { vault_ids: ["env_1"] },
    { vault_ids: Array.from({ length: 51 }, (_, i) => `vlt_${i}`) },
    { budget: { type: "limit" } },
    { initial_events: Array.from({ length: 51 }, () => message) },
    { initial_events: [outcome, outcome] },
    { initial_events: [{ type: "user.interrupt" }] },
    { title: "t".repeat(1001) },
    { agent_id: "agent_01x" },
  ]) {
    const result = createSessionBody.safeParse({ ...base, ...fields });
    assert.equal(result.success, false, JSON.stringify(fields).slice(0, 80));
  }
  for (const fields of [{ vault_ids: [] }, { agent: { system: "x" } }, { budget: { type: "limit" } }]) {
    assert.equal(updateSessionBody.safeParse(fields).success, false, JSON.stringify(fields));
  }
});

test("a version filter needs the agent it belongs to", () => {
  const query = listSessionsQuery.parse({ agent_id: "agent_01x", agent_version: "1", statuses: "idle" });
  assert.deepEqual([query.agent_version, query.statuses, query.limit], [1, ["idle"], 20]);
});
