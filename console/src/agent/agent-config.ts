import type { Agent } from "../../../src/protocol/agents.ts";
import { withSelf } from "../../../src/protocol/multiagent-self.ts";
import type { AgentToolset, BuiltInTool } from "../../../src/protocol/tools.ts";
import { type Body, bodyOf } from "../config/checked.ts";
import { isObject, same } from "../config/merge.ts";

/** What an agent is made with, and what is chosen of it by hand. */

export const agentFields = [
  "name",
  "description",
  "model",
  "system",
  "tools",
  "mcp_servers",
  "skills",
  "multiagent",
  "execution_identity",
  "metadata",
];

export const agentToolset = "agent_toolset_20260401";

export const builtInTools: readonly BuiltInTool[] = [
  "bash",
  "read",
  "write",
  "edit",
  "glob",
  "grep",
  "web_fetch",
  "web_search",
];

export const firstAgent: Body = {
  name: "My first agent",
  model: "simulated",
  system: "You are a careful assistant.",
  tools: [{ type: "agent_toolset_20260401" }],
};

/** As a client would write it: tools that do as all others are not named, and the agent itself is no version of it. */
export function agentBody(agent: Agent): Body {
  const tools = agent.tools.map((tool) => (tool.type === agentToolset ? writtenToolset(tool) : tool));
  const multiagent = agent.multiagent && withSelf(agent.multiagent, agent);
  return bodyOf({ ...agent, tools, multiagent }, agentFields);
}

function writtenToolset({ type, default_config, configs }: AgentToolset): Body {
  const own = configs.flatMap(({ type: _, name, enabled, permission_policy, ...options }) => {
    const given = Object.entries(options).filter(([, value]) => value !== null);
    const settings = { enabled, permission_policy };
    const isAsAll = same(settings, default_config);
    if (isAsAll && given.length === 0) return [];
    return [{ name, ...(!isAsAll && settings), ...Object.fromEntries(given) }];
  });
  return { type, default_config, ...(own.length > 0 && { configs: own }) };
}

interface Settings {
  enabled?: boolean | null;
  permission_policy?: { type: string } | null;
}

export interface Toolset {
  type: string;
  mcp_server_name?: string;
  default_config?: Settings | null;
  configs?: (Settings & { name: string })[];
}

export const entriesOf = (value: unknown): Body[] => (Array.isArray(value) ? value.filter(isObject) : []);

/** With another entry in the place of this one; without `after`, without it. What is no entry stays. */
export function withEntry(list: unknown, before: Body | undefined, after: Body | undefined): unknown[] {
  const all: unknown[] = Array.isArray(list) ? list : [];
  if (before === undefined) return after === undefined ? all : [...all, after];
  return all.flatMap((entry) => (entry !== before ? [entry] : after === undefined ? [] : [after]));
}

export const toolsetOf = (body: Body): Toolset | undefined =>
  entriesOf(body.tools).find(({ type }) => type === agentToolset) as Toolset | undefined;

/**
 * Of each MCP server, the place among `tools` of the toolset by which the agent has its tools, or -1. While one is being named,
 * its name may be that of another one, or its beginning: then each has what it had `before`.
 */
export function toolsetPlaces(
  servers: readonly Body[],
  tools: readonly Body[],
  before: readonly number[],
): number[] {
  return servers.map(({ name }, n) => {
    const isIts = (tool: Body | undefined) => tool?.type === "mcp_toolset" && tool.mcp_server_name === name;
    const had = before[n];
    const isAlone = servers.filter((server) => server.name === name).length === 1;
    return !isAlone && had !== undefined && (had < 0 || isIts(tools[had])) ? had : tools.findIndex(isIts);
  });
}

export const choices = {
  off: "off",
  always_allow: "always allowed",
  always_ask: "asks first",
  auto: "judged",
} as const;
export type Choice = keyof typeof choices;

const isChoice = (text: string | undefined): text is Choice => text !== undefined && text in choices;

const settingsOf = (choice: Choice): Settings => ({
  enabled: choice !== "off",
  ...(choice !== "off" && { permission_policy: { type: choice } }),
});

/** Of tools that a toolset does not name. Of an MCP server they ask first, unless it says something else. */
export function defaultChoice(toolset: Toolset | undefined): Choice {
  if (!toolset) return "off";
  const { default_config } = toolset;
  if (!(default_config?.enabled ?? true)) return "off";
  const policy = default_config?.permission_policy?.type;
  return isChoice(policy) ? policy : toolset.type === "mcp_toolset" ? "always_ask" : "always_allow";
}

const ownOf = (toolset: Toolset | undefined, name: string) =>
  toolset?.configs?.find((entry) => entry.name === name);

/** Of one tool. */
export function choiceIn(toolset: Toolset | undefined, name: string): Choice {
  const own = ownOf(toolset, name);
  const rest = defaultChoice(toolset);
  if (!toolset || own === undefined) return rest;
  if (!(own.enabled ?? toolset.default_config?.enabled ?? true)) return "off";
  const policy = own.permission_policy?.type ?? toolset.default_config?.permission_policy?.type;
  return isChoice(policy) ? policy : toolset.type === "mcp_toolset" ? "always_ask" : "always_allow";
}

/** Null: as the rest of the toolset. */
export function ownChoice(toolset: Toolset | undefined, name: string): Choice | null {
  const own = ownOf(toolset, name);
  return own?.enabled == null && own?.permission_policy == null ? null : choiceIn(toolset, name);
}

/** The same toolset but for this tool; what else is said of it, such as its domains, stays. */
export function withChoice(toolset: Toolset, name: string, choice: Choice | null): Toolset {
  const known = ownOf(toolset, name);
  const { enabled: _, permission_policy: __, ...kept } = known ?? { name };
  const own = { ...kept, name, ...(choice !== null && settingsOf(choice)) };
  const configs = toolset.configs ?? [];
  if (choice === null && Object.keys(own).every((field) => field === "name" || field === "type"))
    return { ...toolset, configs: configs.filter((entry) => entry !== known) };
  return {
    ...toolset,
    configs: known ? configs.map((entry) => (entry === known ? own : entry)) : [...configs, own],
  };
}

/** The same toolset but for the tools that it does not name. */
export const withDefault = (toolset: Toolset, choice: Choice): Toolset => ({
  ...toolset,
  default_config: settingsOf(choice),
});

/** What an agent has, another toolset in the place of this one. */
export const withToolset = (body: Body, before: Toolset | undefined, after: Toolset | undefined): Body => ({
  ...body,
  tools: withEntry(body.tools, before as Body | undefined, after as Body | undefined),
});
