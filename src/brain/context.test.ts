import assert from "node:assert/strict";
import { test } from "node:test";
import { createGuard } from "../net/guard.ts";
import { createWebTools } from "../tools/web/web.ts";
import { modelRequest } from "./context.ts";
import type { AgentFacts } from "./session.ts";
import { newThread } from "./state.ts";
import { testAgent } from "./testing.ts";

const settings = { enabled: true, permission_policy: { type: "always_allow" as const } };

async function offered(names: string[], search: Parameters<typeof createWebTools>[0]["search"]) {
  const guard = createGuard({ allow_private_hosts: [] });
  const web = createWebTools({ guard, search, askModel: async function* () {} });
  const configs = names.map((name) => ({ name, ...settings }));
  const agent: AgentFacts = { ...testAgent, tools: [{ type: "agent_toolset_20260401", configs }] };
  const { tools, system } = modelRequest(
    agent,
    newThread("t"),
    web.tools.map(({ definition }) => definition),
  );
  web.close();
  await guard.close();
  return { names: tools.map(({ name }) => name), system };
}

const searxng = { provider: "searxng" as const, url: "http://search.example/" };

test("web_search is offered to the model only where there is a provider for it", async () => {
  const all = ["bash", "web_fetch", "web_search"];
  assert.deepEqual((await offered(all, null)).names, ["bash", "web_fetch"]);
  assert.deepEqual((await offered(all, searxng)).names, all);
  assert.deepEqual((await offered(["web_search"], searxng)).names, ["web_search"]);
});

test("an agent without tools in the sandbox is not told of it", async () => {
  assert.equal((await offered(["web_fetch"], null)).system, testAgent.system);
  assert.match((await offered(["web_fetch", "bash"], null)).system, /in a Linux sandbox/);
});

test("a request is what the agent and the thread say, its own tools behind the built-in ones", () => {
  const thread = { ...newThread("thread"), failures: 2 };
  const agent: AgentFacts = { ...testAgent, model: { id: "m", effort: { type: "low" }, speed: "fast" } };
  const { tools, messages, system, ...request } = modelRequest(agent, thread, []);
  assert.deepEqual(request, {
    model: "m",
    effort: "low",
    speed: "fast",
    attempt: 2,
    cache_key: "thread",
  });
  assert.deepEqual(
    tools.map(({ name }) => name),
    ["bash", "read", "edit", "grep", "weather"],
  );
  assert.equal(messages, thread.messages);
  assert.ok(system.startsWith("Do as you are told.\n\nYour tools"));
  const plain = modelRequest(testAgent, thread, []);
  assert.deepEqual([plain.effort, plain.speed], [null, "standard"]);
});
