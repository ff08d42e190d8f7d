import { setTimeout as pause } from "node:timers/promises";
import { type Frame, openRawStream, type RawStream, withoutPings } from "../harness/raw-stream.ts";
import type { ListedEvent, StreamEvent } from "../harness/session.ts";
import { waiting } from "../harness/waiting.ts";
import type { Client } from "./client.ts";

/** Pings come every 10 s: who hears nothing for so long looks elsewhere. */
const silence_ms_max = 12_000;
const retryPause_ms = 100;

/** Follows a session by its stream alone, and goes on behind the last cursor wherever a connection has broken. */
export interface CursorReader {
  frames: Frame[];
  connections(): number;
  /** Once so many processed events were seen. */
  until(count: number): Promise<void>;
  close(): Promise<void>;
}

export const isProcessed = ({ data }: Frame) => data.processed_at !== null;

export function readByCursor(urls: readonly string[], sessionId: string): CursorReader {
  const frames: Frame[] = [];
  const { ring, until } = waiting();
  const closed = new AbortController();
  let connections = 0;
  let current: RawStream | null = null;

  async function connectOnce(): Promise<void> {
    const url = urls[connections % urls.length] ?? "";
    connections += 1;
    const cursor = frames.at(-1)?.id;
    const opening = openRawStream(url, sessionId, cursor ? { last_event_id: cursor } : { after: "0" });
    const stream = await inTime(opening, (late) => late.close());
    current = stream;
    if (closed.signal.aborted) stream.close();
    let taken = 0;
    let heard = Date.now();
    const take = () => {
      const whole = withoutPings(stream.frames);
      if (stream.status === 200) frames.push(...whole.slice(taken));
      taken = whole.length;
      ring();
    };
    stream.response.on("data", () => {
      heard = Date.now();
      take();
    });
    const watch = setInterval(() => {
      if (Date.now() - heard > silence_ms_max) stream.close();
    }, 1_000);
    take();
    await stream.ended;
    clearInterval(watch);
    take();
  }

  async function run(): Promise<void> {
    while (!closed.signal.aborted) {
      await connectOnce().catch(() => {});
      if (!closed.signal.aborted) await pause(retryPause_ms);
    }
  }

  const running = run();
  return {
    frames,
    connections: () => connections,
    until: (count) =>
      until(() => (frames.filter(isProcessed).length >= count ? true : undefined)).then(() => {}),
    async close() {
      closed.abort();
      current?.close();
      await running;
    },
  };
}

/** What comes too late is put away. */
function inTime<Made>(making: Promise<Made>, putAway: (late: Made) => void): Promise<Made> {
  return new Promise((resolve, reject) => {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      reject(new Error("nobody has answered"));
    }, silence_ms_max);
    making.then(
      (made) => {
        clearTimeout(timer);
        if (late) putAway(made);
        else resolve(made);
      },
      (error) => {
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}

/** Follows a session as ordinary clients do: opens the stream, lists what there is, goes on and skips what it knows. */
export interface CarefulReader {
  seen: ListedEvent[];
  /** When each was seen, by id, in `ms`. */
  seen_ms: Map<string, number>;
  connections(): number;
  /** What `look` finds in what was seen so far, as soon as that is not undefined. */
  until<Found>(look: (seen: ListedEvent[]) => Found | undefined): Promise<Found>;
  close(): Promise<void>;
}

export function readWithCare(client: Client, sessionId: string): CarefulReader {
  const seen: ListedEvent[] = [];
  const seen_ms = new Map<string, number>();
  const { ring, until } = waiting();
  const closed = new AbortController();
  let connections = 0;

  const take = (event: StreamEvent | ListedEvent) => {
    if (!("processed_at" in event) || !event.processed_at || seen_ms.has(event.id)) return;
    seen_ms.set(event.id, Date.now());
    seen.push(event as ListedEvent);
    ring();
  };

  async function connectOnce(): Promise<void> {
    const silent = new AbortController();
    const listen = () => setTimeout(() => silent.abort(), silence_ms_max);
    let timer = listen();
    const heard = (event: StreamEvent | ListedEvent) => {
      clearTimeout(timer);
      timer = listen();
      take(event);
    };
    const signal = AbortSignal.any([silent.signal, closed.signal]);
    const options = { signal, maxRetries: 0 };
    try {
      const sdk = client.next();
      const stream = await sdk.beta.sessions.events.stream(sessionId, {}, options);
      connections += 1;
      for await (const event of sdk.beta.sessions.events.list(sessionId, { limit: 50 }, options))
        heard(event);
      for await (const event of stream) heard(event);
    } finally {
      clearTimeout(timer);
    }
  }

  async function run(): Promise<void> {
    while (!closed.signal.aborted) {
      await connectOnce().catch(() => {});
      if (!closed.signal.aborted) await pause(retryPause_ms);
    }
  }

  const running = run();
  return {
    seen,
    seen_ms,
    connections: () => connections,
    until: (look) => until(() => look(seen)),
    async close() {
      closed.abort();
      await running;
    },
  };
}
