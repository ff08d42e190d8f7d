import type { Effort } from "../models/model.ts";
import type { WebFetchConfig } from "../tools/web/fetch.ts";
import type { WebSearchConfig } from "../tools/web/search.ts";
import type { KnownRepository } from "./repositories.ts";
import type { UnreachableCredential } from "./unreachable.ts";

/** What a brain needs to know of a session beside its log, as it is when the session is claimed. */
export interface SessionFacts {
  workspace_id: string;
  session_id: string;
  agent: AgentFacts;
  /** The skills that it has, in one order for all time. */
  skills: readonly KnownSkill[];
  /** The repositories that it was given, in their order. */
  repositories: readonly KnownRepository[];
  /** What is mounted into its sandbox, by its number. */
  mounts_version: number;
  /** Where to begin reading its log. */
  fold_from: number;
  /** The most it may cost; null is no budget. */
  budget_cents: number | null;
  /** Workers of its environment run the calls that would run in a sandbox. */
  self_hosted: boolean;
  /** Its credentials for hosts that its environment does not let through; none if unset. */
  unreachable?: readonly UnreachableCredential[];
  /** Its environment has packages or `setup` commands. */
  needs_setup: boolean;
}

/** A skill as the model is told of it. */
export interface KnownSkill {
  skill_id: string;
  name: string;
  description: string;
}

export interface AgentFacts {
  id: string;
  name: string;
  model: { id: string; effort?: { type: Effort }; speed?: "standard" | "fast" };
  system: string | null;
  mcp_servers: McpServer[];
  skills: { skill_id: string }[];
  tools: (
    | {
        type: "agent_toolset_20260401";
        configs: ToolConfig[];
      }
    | { type: "custom"; name: string; description: string; input_schema: Record<string, unknown> }
    | { type: "mcp_toolset"; mcp_server_name: string; configs: NamedUse[]; default_config: ToolSettings }
  )[];
}

export interface McpServer {
  name: string;
  url: string;
}

interface ToolSettings {
  enabled: boolean;
  permission_policy: { type: PolicyType };
}

interface NamedUse extends ToolSettings {
  name: string;
}

/** What the agent says of a built-in tool. */
interface ToolConfig extends WebFetchConfig, WebSearchConfig, NamedUse {}

export type PolicyType = "always_allow" | "always_ask" | "auto";

/** How the agent may use a tool. */
export type ToolUse = { kind: "custom" } | { kind: "built_in"; policy: PolicyType } | { kind: "not_enabled" };

export function toolUseOf(agent: AgentFacts, name: string): ToolUse {
  if (agent.tools.some((tool) => tool.type === "custom" && tool.name === name)) return { kind: "custom" };
  const config = toolConfigOf(agent, name);
  return config?.enabled
    ? { kind: "built_in", policy: config.permission_policy.type }
    : { kind: "not_enabled" };
}

export const toolConfigOf = (agent: AgentFacts, name: string): ToolConfig | undefined =>
  agent.tools
    .flatMap((tool) => (tool.type === "agent_toolset_20260401" ? tool.configs : []))
    .find((config) => config.name === name);
