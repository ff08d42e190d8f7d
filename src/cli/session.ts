import { setTimeout as pause } from "node:timers/promises";
import type Anthropic from "@anthropic-ai/sdk";
import { APIError } from "@anthropic-ai/sdk";
import type { BetaManagedAgentsStreamSessionEvents as StreamEvent } from "@anthropic-ai/sdk/resources/beta/sessions/events";
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

/** How long a server that does not answer is waited for. */
const patience_ms = 60_000;

/**
 * Sends a message and shows every event once until the turn ends; returns the last of them. When the connection
 * breaks it opens the stream again and reads what it missed from the list.
 */
export async function playTurn(
  client: Anthropic,
  sessionId: string,
  text: string,
  show: (event: StreamEvent) => void,
  options: { signal?: AbortSignal; reconnecting?(): void; patience_ms?: number } = {},
): Promise<StreamEvent | undefined> {
  const { events } = client.beta.sessions;
  const seen = new Set<string>();
  const ofWorkers = workerCalls();
  const isNew = (event: StreamEvent) => {
    if (!("id" in event)) return true;
    const appearance = `${event.id} ${event.processed_at ?? ""}`;
    return !seen.has(appearance) && seen.add(appearance);
  };
  // A stream that is left open keeps the process.
  const over = new AbortController();
  const signal = AbortSignal.any([over.signal, ...(options.signal ? [options.signal] : [])]);
  const open = () => events.stream(sessionId, {}, { signal });
  let lostAt: number | null = null;
  async function* openAgain(): AsyncGenerator<StreamEvent> {
    const stream = await open();
    yield* events.list(sessionId);
    lostAt = null;
    yield* stream;
  }

  try {
    for await (const event of events.list(sessionId)) {
      ofWorkers.hear(event);
      isNew(event);
    }
    let source: AsyncIterable<StreamEvent> = await open();
    await events.send(sessionId, { events: [{ type: "user.message", content: [{ type: "text", text }] }] });
    for (;;) {
      try {
        for await (const event of source) {
          if (!isNew(event)) continue;
          ofWorkers.hear(event);
          show(event);
          if (endsTurn(event) && !ofWorkers.areAwaitedBy(event)) return event;
        }
        throw new Error("the stream ended before the turn did");
      } catch (error) {
        if (options.signal?.aborted) return undefined;
        if (error instanceof APIError && error.status !== undefined && error.status < 500) throw error;
        const now = Date.now();
        if (lostAt === null) options.reconnecting?.();
        lostAt ??= now;
        if (now - lostAt > (options.patience_ms ?? patience_ms)) throw error;
      }
      await pause(250);
      source = openAgain();
    }
  } finally {
    over.abort();
  }
}

const endsTurn = ({ type }: StreamEvent) =>
  type === "session.status_idle" || type === "session.status_terminated";
