import type { Preview } from "../../../src/log/previews.ts";
import type { SessionEvent } from "../../../src/protocol/events.ts";
import { Problem, send } from "./request.ts";
import { framesOf } from "./server-sent.ts";
import { enterStreamRoom, type Pace } from "./stream-room.ts";

export type Connection = "connecting" | "open" | "lost";

export interface Follower {
  event(event: SessionEvent): void;
  preview(preview: Preview): void;
  /** Unless it is open, what was previewed and has not come as an event is begun anew, or never. */
  connection(state: Connection): void;
  /** It is of no use to try again. */
  failed(problem: Problem): void;
}

const silenceMs = 25_000;
const pauseMsMax = 10_000;
/** A glance ends when nothing has come for so long: it has all that there was. */
const quietMs = 500;
/** Between two glances. */
const glanceMs: Record<Exclude<Pace, "stream">, number> = { glance: 1_500, hidden: 15_000 };

/** What is followed: a session, or one thread of it. */
export interface Followed {
  sessionId: string;
  threadId?: string | undefined;
}

const pathOf = ({ sessionId, threadId }: Followed) =>
  threadId === undefined
    ? `/v1/sessions/${encodeURIComponent(sessionId)}/events/stream`
    : `/v1/sessions/${encodeURIComponent(sessionId)}/threads/${encodeURIComponent(threadId)}/stream`;

/**
 * Everything that a session's log holds, from its beginning, and what is added to it, until `signal` is given up. After a
 * break it goes on behind the last event: nothing is missing, nothing comes twice. A tab that nobody looks at, and one of
 * too many, gives its stream up and glances instead, from the same place on.
 */
export async function followSession(
  followed: Followed,
  follower: Follower,
  signal: AbortSignal,
): Promise<void> {
  let attempt = new AbortController();
  let changed = new AbortController();
  const room = enterStreamRoom(() => {
    attempt.abort();
    changed.abort();
    changed = new AbortController();
  });
  let cursor = "0";
  let failures = 0;
  /** How often in a row the server has ended the stream at once: it restarts, or nothing more will come. */
  let ends = 0;
  let streamed = true;

  /** One connection; true when the session is over for good. */
  async function connect(pace: Pace): Promise<boolean> {
    attempt = new AbortController();
    const own = attempt;
    let quiet = false;
    const end = () => {
      quiet = pace !== "stream";
      own.abort();
    };
    // A connection that broke somewhere on the way says nothing, not even its pings.
    let silence = setTimeout(() => own.abort(), silenceMs);
    try {
      const response = await send(pathOf(followed), {
        query: {
          after: cursor,
          event_deltas: pace === "stream" ? ["agent.message", "agent.thinking"] : [],
        },
        accept: "text/event-stream",
        signal: AbortSignal.any([signal, own.signal]),
      });
      if (!response.body) throw new Problem(0, "connection_error", "the stream has no body", null);
      follower.connection("open");
      const waitMs = pace === "stream" ? silenceMs : quietMs;
      clearTimeout(silence);
      silence = setTimeout(end, waitMs);
      for await (const { id: at, event, data } of framesOf(response.body)) {
        failures = 0;
        ends = 0;
        if (pace === "stream" || event !== "ping") {
          clearTimeout(silence);
          silence = setTimeout(end, waitMs);
        }
        if (event === "ping") continue;
        const told = JSON.parse(data) as SessionEvent | Preview;
        if (told.type === "event_start" || told.type === "event_delta") follower.preview(told);
        else {
          if (at) cursor = at;
          follower.event(told);
          if (told.type === "session.deleted" || told.type === "session.status_terminated") return true;
        }
      }
      ends++;
    } catch (error) {
      if (signal.aborted) return true;
      if (quiet) failures = 0;
      // It was ended because it may stream now, or no longer.
      else if (!own.signal.aborted || room.pace() === pace) failures++;
      if (error instanceof Problem && error.status >= 400 && error.status < 500 && error.status !== 429) {
        follower.failed(error);
        return true;
      }
    } finally {
      clearTimeout(silence);
      own.abort();
    }
    return false;
  }

  try {
    while (!signal.aborted) {
      const pace = room.pace();
      if (failures > 0) follower.connection("lost");
      else if (streamed) follower.connection("connecting");
      streamed = pace === "stream";
      if (await connect(pace)) return;
      const now = room.pace();
      if (failures + ends > 0)
        await pause(Math.min(250 * 2 ** (failures + ends), pauseMsMax) * (0.5 + Math.random() / 2), [signal]);
      else if (now !== "stream") await pause(glanceMs[now], [signal, changed.signal]);
    }
  } finally {
    room.close();
  }
}

/** The browser's word that it is online again ends it early, and each of the signals. */
function pause(ms: number, signals: readonly AbortSignal[]): Promise<void> {
  return new Promise((resolve) => {
    const ended = new AbortController();
    const end = () => {
      clearTimeout(timer);
      ended.abort();
      resolve();
    };
    const timer = setTimeout(end, ms);
    addEventListener("online", end, { signal: ended.signal });
    for (const signal of signals) {
      if (signal.aborted) end();
      signal.addEventListener("abort", end, { signal: ended.signal });
    }
  });
}
