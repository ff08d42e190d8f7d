import type { Preview } from "../../../src/log/previews.ts";
import type { SessionEvent } from "../../../src/protocol/events.ts";
import { Problem, send } from "./request.ts";
import { framesOf } from "./server-sent.ts";

export type Connection = "connecting" | "open" | "lost";

export interface Follower {
  event(event: SessionEvent): void;
  preview(preview: Preview): void;
  /** What was previewed and has not come as an event is begun anew. */
  connection(state: Connection): void;
  /** It is of no use to try again. */
  failed(problem: Problem): void;
}

const silenceMs = 25_000;
const pauseMsMax = 10_000;

/**
 * Everything that a session's log holds, from its beginning, and what is added to it, until `signal` is given up. After a
 * break it goes on behind the last event: nothing is missing, nothing comes twice.
 */
export async function followSession(id: string, follower: Follower, signal: AbortSignal): Promise<void> {
  let cursor = "0";
  let failures = 0;
  while (!signal.aborted) {
    follower.connection(failures === 0 ? "connecting" : "lost");
    const attempt = new AbortController();
    const given = AbortSignal.any([signal, attempt.signal]);
    // A connection that broke somewhere on the way says nothing, not even its pings.
    let silence = setTimeout(() => attempt.abort(), silenceMs);
    try {
      const response = await send(`/v1/sessions/${encodeURIComponent(id)}/events/stream`, {
        query: { after: cursor, event_deltas: ["agent.message", "agent.thinking"] },
        accept: "text/event-stream",
        signal: given,
      });
      if (!response.body) throw new Problem(0, "connection_error", "the stream has no body", null);
      follower.connection("open");
      for await (const { id: at, event, data } of framesOf(response.body)) {
        failures = 0;
        clearTimeout(silence);
        silence = setTimeout(() => attempt.abort(), silenceMs);
        if (event === "ping") continue;
        const told = JSON.parse(data) as SessionEvent | Preview;
        if (told.type === "event_start" || told.type === "event_delta") follower.preview(told);
        else {
          if (at) cursor = at;
          follower.event(told);
          if (told.type === "session.deleted") return;
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Problem && error.status >= 400 && error.status < 500 && error.status !== 429) {
        follower.failed(error);
        return;
      }
    } finally {
      clearTimeout(silence);
      attempt.abort();
    }
    failures++;
    await pause(Math.min(250 * 2 ** failures, pauseMsMax) * (0.5 + Math.random() / 2), signal);
  }
}

/** The browser's word that it is online again ends it early. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      removeEventListener("online", end);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    addEventListener("online", end);
    signal.addEventListener("abort", end);
  });
}
