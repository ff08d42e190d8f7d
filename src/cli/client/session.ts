import type Anthropic from "@anthropic-ai/sdk";
import type { BetaManagedAgentsStreamSessionEvents as StreamEvent } from "@anthropic-ai/sdk/resources/beta/sessions/events";
import { type Exit, exits, Failure } from "../exits.ts";
import { once } from "./once.ts";
import { appearances, type Watching, watchSession } from "./watch.ts";
import { workerCalls } from "./worker-calls.ts";

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
  const agent = await client.beta.agents.create(
    {
      ...wanted,
      tools: [{ type: "agent_toolset_20260401" }],
      metadata: mark,
    },
    once(),
  );
  return agent.id;
}

export async function findOrCreateEnvironment(client: Anthropic, name: string): Promise<string> {
  for await (const environment of client.beta.environments.list({ limit: 100 })) {
    const { config, metadata } = environment;
    if (environment.name === name && metadata.created_by === mark.created_by && config.type === "cloud") {
      return environment.id;
    }
  }
  const environment = await client.beta.environments.create({ name, metadata: mark }, once());
  return environment.id;
}

/** Sends a message and shows every event once until the turn ends; returns the last of them. */
export async function playTurn(
  client: Anthropic,
  sessionId: string,
  text: string,
  show: (event: StreamEvent) => void,
  options: Pick<Watching, "signal" | "reconnecting" | "patience_ms"> = {},
): Promise<StreamEvent | undefined> {
  const { events } = client.beta.sessions;
  const appeared = appearances();
  const ofWorkers = workerCalls();
  let last: StreamEvent | undefined;
  for await (const event of events.list(sessionId, { limit: 1_000 })) {
    ofWorkers.hear(event);
    appeared.isNew(event);
    if (event.type.startsWith("session.status_")) last = event;
  }
  const [call] = last ? ofWorkers.others(last) : [];
  // What is said now would wait behind it.
  if (call !== undefined)
    throw new Failure(
      `the session waits for an answer to ${call}: drover chat --session ${sessionId}, or drover sessions allow`,
      exits.waits,
    );
  const opened = async () => {
    const message = { type: "user.message" as const, content: [{ type: "text" as const, text }] };
    await events.send(sessionId, { events: [message] }, once());
  };
  for await (const event of watchSession(client, sessionId, { ...options, appeared, opened })) {
    ofWorkers.hear(event);
    show(event);
    if (endsTurn(event) && !ofWorkers.areAwaitedBy(event)) return event;
  }
  return undefined;
}

export const endsTurn = ({ type }: StreamEvent) =>
  type === "session.status_idle" || type === "session.status_terminated";

/** How a process ends that has watched a turn to this event. */
export function exitAfter(last: StreamEvent | undefined): Exit {
  if (last?.type !== "session.status_idle") return exits.not_answered;
  if (last.stop_reason.type === "end_turn") return exits.done;
  return last.stop_reason.type === "requires_action" ? exits.waits : exits.not_answered;
}
