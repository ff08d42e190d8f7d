import { setTimeout as pause } from "node:timers/promises";
import type Anthropic from "@anthropic-ai/sdk";
import { APIError } from "@anthropic-ai/sdk";
import type {
  EventStreamParams,
  BetaManagedAgentsSessionEvent as ListedEvent,
  BetaManagedAgentsStreamSessionEvents as StreamEvent,
} from "@anthropic-ai/sdk/resources/beta/sessions/events";

/** How long a server that does not answer is waited for. */
const patience_ms = 60_000;

/** An event comes when it arrives, and again when it is taken up. */
export interface Appearances {
  isNew(event: StreamEvent): boolean;
  has(event: ListedEvent): boolean;
}

const appearanceOf = (event: ListedEvent) => `${event.id} ${event.processed_at ?? ""}`;

export function appearances(): Appearances {
  const seen = new Set<string>();
  return {
    isNew(event) {
      if (!("id" in event)) return true;
      const appearance = appearanceOf(event);
      if (seen.has(appearance)) return false;
      seen.add(appearance);
      return true;
    },
    has: (event) => seen.has(appearanceOf(event)),
  };
}

/** What has been appended since the newest event that was taken up and has appeared, oldest first. */
async function missed(client: Anthropic, sessionId: string, appeared: Appearances): Promise<ListedEvent[]> {
  const newest: ListedEvent[] = [];
  for await (const event of client.beta.sessions.events.list(sessionId, { order: "desc" })) {
    if (event.processed_at && appeared.has(event)) break;
    newest.push(event);
  }
  return newest.reverse();
}

export interface Watching {
  signal?: AbortSignal | undefined;
  /** What has appeared to the reader before. */
  appeared?: Appearances;
  /** Once, as soon as nothing can be missed any more. */
  opened?(): Promise<void>;
  reconnecting?: (() => void) | undefined;
  patience_ms?: number | undefined;
  deltas?: NonNullable<EventStreamParams["event_deltas"]>;
}

/**
 * Every event of a session once, from now on, until it is told to stop. When the connection breaks it opens the stream again
 * and reads what it missed from the list.
 */
export async function* watchSession(
  client: Anthropic,
  sessionId: string,
  options: Watching = {},
): AsyncGenerator<StreamEvent> {
  const { events } = client.beta.sessions;
  const { appeared = appearances(), deltas } = options;
  // A stream that is left open keeps the process.
  const over = new AbortController();
  const signal = AbortSignal.any([over.signal, ...(options.signal ? [options.signal] : [])]);
  const params = deltas ? { event_deltas: deltas } : {};
  let isFirst = true;
  let lostAt: number | null = null;
  try {
    for (;;) {
      try {
        const stream = await events.stream(sessionId, params, { signal });
        if (isFirst) await options.opened?.();
        else
          for (const event of await missed(client, sessionId, appeared))
            if (appeared.isNew(event)) yield event;
        isFirst = false;
        lostAt = null;
        for await (const event of stream) if (appeared.isNew(event)) yield event;
        throw new Error("the stream ended before the turn did");
      } catch (error) {
        if (options.signal?.aborted) return;
        if (isFirst || (error instanceof APIError && error.status !== undefined && error.status < 500))
          throw error;
        const now = Date.now();
        if (lostAt === null) options.reconnecting?.();
        lostAt ??= now;
        if (now - lostAt > (options.patience_ms ?? patience_ms)) throw error;
      }
      await pause(250);
    }
  } finally {
    over.abort();
  }
}
