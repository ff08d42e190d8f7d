import type { AgentReference, Crew, CrewParams, Multiagent, MultiagentParams } from "./multiagent.ts";

/** Only "self" can have resolved to the very version it stands in. */
export function withSelf(multiagent: Multiagent, owner: { id: string; version: number }): MultiagentParams {
  const unresolved = (reference: AgentReference) =>
    reference.id === owner.id && reference.version === owner.version
      ? ({ type: "self" } as const)
      : reference;
  if (multiagent.type === "coordinator") {
    return {
      ...multiagent,
      agents: multiagent.agents.map((entry) => (entry.type === "agent" ? unresolved(entry) : entry)),
    };
  }
  const crew = (stored: Crew): CrewParams =>
    stored.type === "enabled"
      ? { ...stored, predefined_agents: stored.predefined_agents.map(unresolved) }
      : stored;
  return { ...multiagent, subagents: crew(multiagent.subagents), workflows: crew(multiagent.workflows) };
}
