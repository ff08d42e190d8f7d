import type { BuiltInTool } from "../../../src/protocol/tools.ts";
import type { Body } from "../config/checked.ts";
import { isObject } from "../config/merge.ts";

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

export const agentToolset = "agent_toolset_20260401";

export const toolsetOf = (body: Body): Toolset | undefined =>
  entriesOf(body.tools).find(({ type }) => type === agentToolset) as Toolset | undefined;

export const mcpToolsetOf = (body: Body, server: unknown): Toolset | undefined =>
  entriesOf(body.tools).find(
    ({ type, mcp_server_name }) => type === "mcp_toolset" && mcp_server_name === server,
  ) as Toolset | undefined;

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
export const ownChoice = (toolset: Toolset | undefined, name: string): Choice | null =>
  ownOf(toolset, name) === undefined ? null : choiceIn(toolset, name);

/** The same toolset but for this tool. */
export function withChoice(toolset: Toolset, name: string, choice: Choice | null): Toolset {
  const known = ownOf(toolset, name);
  if (choice === null)
    return { ...toolset, configs: (toolset.configs ?? []).filter((entry) => entry !== known) };
  const { permission_policy: _, ...kept } = known ?? { name };
  const own = { ...kept, name, ...settingsOf(choice) };
  const configs = toolset.configs ?? [];
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
