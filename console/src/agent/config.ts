import type { Agent, CreateAgent } from "../../../src/protocol/agents.ts";
import type { BuiltInTool } from "../../../src/protocol/tools.ts";

/** An agent's configuration as it is edited: JSON that a client would send. */
export type Config = Record<string, unknown> & Partial<CreateAgent>;

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

export const newConfig = (model: string): Config => ({
  name: "My first agent",
  model,
  system: "You are a careful assistant.",
  tools: [{ type: "agent_toolset_20260401" }],
});

/** What a client would send to make the agent as it is; fields that say nothing are left out. */
export function configOf(agent: Agent): Config {
  const {
    id: _,
    type: __,
    version: ___,
    created_at: ____,
    updated_at: _____,
    archived_at: ______,
    ...rest
  } = agent;
  return Object.fromEntries(
    Object.entries(rest).filter(
      ([, value]) =>
        value !== null && !(typeof value === "object" && Object.keys(value as object).length === 0),
    ),
  );
}

export const written = (config: unknown): string => JSON.stringify(config, null, 2);

export interface Mistake {
  /** Such as `tools.0.name`; empty for the whole. */
  path: string;
  message: string;
}

export type Read = { config: Config; mistakes: Mistake[] } | { config: null; mistakes: Mistake[] };

/** Reads the text and holds it against the server's own schema. */
export async function read(text: string): Promise<Read> {
  let config: unknown;
  try {
    config = JSON.parse(text);
  } catch (error) {
    return { config: null, mistakes: [{ path: "", message: (error as Error).message }] };
  }
  if (typeof config !== "object" || config === null || Array.isArray(config))
    return { config: null, mistakes: [{ path: "", message: "must be an object" }] };
  const { createAgentBody } = await import("../../../src/protocol/agents.ts");
  const checked = createAgentBody.safeParse(config);
  return {
    config: config as Config,
    mistakes: (checked.error?.issues ?? []).map(({ path, message }) => ({ path: path.join("."), message })),
  };
}

type Toolset = {
  type: string;
  default_config?: { enabled?: boolean; permission_policy?: { type: string } };
  configs?: { name: string; enabled?: boolean; permission_policy?: { type: string } }[];
};

const toolsetOf = (config: Config): Toolset | undefined =>
  (config.tools as Toolset[] | undefined)?.find(({ type }) => type === "agent_toolset_20260401");

export type Choice = "off" | "always_allow" | "always_ask" | "auto";

/** What the configuration says of a built-in tool. */
export function choiceOf(config: Config, name: BuiltInTool): Choice {
  const toolset = toolsetOf(config);
  if (!toolset) return "off";
  const own = toolset.configs?.find((entry) => entry.name === name);
  if (!(own?.enabled ?? toolset.default_config?.enabled ?? true)) return "off";
  const policy = own?.permission_policy ?? toolset.default_config?.permission_policy;
  return (policy?.type as Choice | undefined) ?? "always_allow";
}

/** The same configuration but for this tool. */
export function withChoice(config: Config, name: BuiltInTool, choice: Choice): Config {
  const toolset: Toolset = toolsetOf(config) ?? {
    type: "agent_toolset_20260401",
    default_config: { enabled: false },
  };
  const others = (toolset.configs ?? []).filter((entry) => entry.name !== name);
  const own = {
    name,
    enabled: choice !== "off",
    ...(choice !== "off" && { permission_policy: { type: choice } }),
  };
  const changed = { ...toolset, configs: [...others, own] };
  const rest = ((config.tools as Toolset[] | undefined) ?? []).filter((entry) => entry !== toolset);
  return { ...config, tools: [changed, ...rest] as unknown as CreateAgent["tools"] };
}
