import { after } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type Anthropic from "@anthropic-ai/sdk";
import type { ListedEvent, StreamEvent } from "./session.ts";
import { waiting } from "./waiting.ts";

/** How long a server that cannot be reached is asked again, in `ms`. */
const retryPauseMs = 50;

export interface Reconnecting {
  /** Processed events in the order in which they were first seen, each once. */
  seen: ListedEvent[];
  /** How often the stream was opened. */
  connections(): number;
  until(test: (event: ListedEvent) => boolean, n?: number): Promise<void>;
  /** Breaks the connection from this side. */
  cut(): void;
  close(): Promise<void>;
}

/**
 * What careful clients of the official API do: open the stream, list the whole history, then go on with the stream and
 * skip what was seen; whenever the stream ends, all over again. One that a failed test left open ends with the tests.
 */
export function reconnecting(client: Anthropic, sessionId: string): Reconnecting {
  const seen: ListedEvent[] = [];
  const ids = new Set<string>();
  const { ring, until } = waiting();
  const closed = new AbortController();
  let connections = 0;
  let current = new AbortController();

  const take = (event: StreamEvent | ListedEvent) => {
    if (!("processed_at" in event) || !event.processed_at || ids.has(event.id)) return;
    ids.add(event.id);
    seen.push(event as ListedEvent);
    ring();
  };

  async function connectOnce(): Promise<void> {
    current = new AbortController();
    const options = { signal: AbortSignal.any([current.signal, closed.signal]), maxRetries: 0 };
    const stream = await client.beta.sessions.events.stream(sessionId, {}, options);
    connections += 1;
    for await (const event of client.beta.sessions.events.list(sessionId, { limit: 7 }, options)) take(event);
    for await (const event of stream) take(event);
  }

  async function run(): Promise<void> {
    while (!closed.signal.aborted) {
      await connectOnce().catch(() => pause(retryPauseMs));
    }
  }

  const running = run();
  after(() => closed.abort());
  return {
    seen,
    connections: () => connections,
    async until(test, n = 1) {
      await until(() => seen.filter(test).length >= n || undefined);
    },
    cut: () => current.abort(),
    async close() {
      closed.abort();
      await running;
    },
  };
}
