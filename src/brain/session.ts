import type { Effort } from "../models/model.ts";

/** What a brain needs to know of a session beside its log. Fixed when the session is created. */
export interface SessionFacts {
  workspace_id: string;
  session_id: string;
  agent: AgentFacts;
}

export interface AgentFacts {
  name: string;
  model: { id: string; effort?: { type: Effort }; speed?: "standard" | "fast" };
  system: string | null;
  tools: (
    | {
        type: "agent_toolset_20260401";
        configs: { name: string; enabled: boolean; permission_policy: { type: string } }[];
      }
    | { type: "custom" | "mcp_toolset" }
  )[];
}

/** The built-in tools that the agent may use without asking. */
export function enabledTools(agent: AgentFacts): Set<string> {
  const names = new Set<string>();
  for (const toolset of agent.tools) {
    if (toolset.type !== "agent_toolset_20260401") continue;
    for (const config of toolset.configs) {
      if (config.enabled && config.permission_policy.type === "always_allow") names.add(config.name);
    }
  }
  return names;
}
