import type Anthropic from "@anthropic-ai/sdk";
import type { BetaManagedAgentsStreamSessionEvents as StreamEvent } from "@anthropic-ai/sdk/resources/beta/sessions/events";

/** What the command line creates carries this, so that it is found and used again. */
const mark = { created_by: "drover run" };

export interface AgentWanted {
  name: string;
  model: string;
  system: string | null;
}

/** The agent that an earlier run has made, or a new one. */
export async function findOrCreateAgent(client: Anthropic, wanted: AgentWanted): Promise<string> {
  for await (const agent of client.beta.agents.list({ limit: 100 })) {
    const same =
      agent.name === wanted.name && agent.model.id === wanted.model && agent.system === wanted.system;
    if (same && agent.metadata.created_by === mark.created_by) return agent.id;
  }
  const agent = await client.beta.agents.create({
    ...wanted,
    tools: [{ type: "agent_toolset_20260401" }],
    metadata: mark,
  });
  return agent.id;
}

export async function findOrCreateEnvironment(client: Anthropic, name: string): Promise<string> {
  for await (const environment of client.beta.environments.list({ limit: 100 })) {
    const { config, metadata } = environment;
    if (environment.name === name && metadata.created_by === mark.created_by && config.type === "cloud") {
      return environment.id;
    }
  }
  const environment = await client.beta.environments.create({ name, metadata: mark });
  return environment.id;
}

/** Sends a message and shows every event until the turn ends. Returns the last of them. */
export async function playTurn(
  client: Anthropic,
  sessionId: string,
  text: string,
  show: (event: StreamEvent) => void,
  signal?: AbortSignal,
): Promise<StreamEvent | undefined> {
  const stream = await client.beta.sessions.events.stream(sessionId, {}, { signal });
  await client.beta.sessions.events.send(sessionId, {
    events: [{ type: "user.message", content: [{ type: "text", text }] }],
  });
  for await (const event of stream) {
    show(event);
    if (event.type === "session.status_idle" || event.type === "session.status_terminated") return event;
  }
  return undefined;
}
