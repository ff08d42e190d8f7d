import type { BuiltInTool } from "../../../src/protocol/tools.ts";
import type { Body } from "../config/checked.ts";

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
  enabled?: boolean;
  permission_policy?: { type: string };
}

interface Toolset {
  type: string;
  default_config?: Settings;
  configs?: (Settings & { name: string })[];
}

const toolsOf = (body: Body): Toolset[] => (Array.isArray(body.tools) ? body.tools : []);

const toolsetOf = (body: Body): Toolset | undefined =>
  toolsOf(body).find(({ type }) => type === "agent_toolset_20260401");

export const choices = {
  off: "off",
  always_allow: "always allowed",
  always_ask: "asks first",
  auto: "judged",
} as const;
export type Choice = keyof typeof choices;

/** What the configuration says of a built-in tool. */
export function choiceOf(body: Body, name: BuiltInTool): Choice {
  const toolset = toolsetOf(body);
  if (!toolset) return "off";
  const own = toolset.configs?.find((entry) => entry.name === name);
  if (!(own?.enabled ?? toolset.default_config?.enabled ?? true)) return "off";
  const policy = (own?.permission_policy ?? toolset.default_config?.permission_policy)?.type;
  return policy !== undefined && policy in choices ? (policy as Choice) : "always_allow";
}

/** The same configuration but for this tool. */
export function withChoice(body: Body, name: BuiltInTool, choice: Choice): Body {
  const toolset = toolsetOf(body);
  const before = toolset ?? { type: "agent_toolset_20260401", default_config: { enabled: false } };
  const known = before.configs?.find((entry) => entry.name === name);
  const own = {
    ...known,
    name,
    enabled: choice !== "off",
    ...(choice !== "off" && { permission_policy: { type: choice } }),
  };
  const others = (before.configs ?? []).filter((entry) => entry !== known);
  const rest = toolsOf(body).filter((entry) => entry !== toolset);
  return { ...body, tools: [{ ...before, configs: [...others, own] }, ...rest] };
}
