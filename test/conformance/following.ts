import type Anthropic from "@anthropic-ai/sdk";
import type { EventStreamParams } from "@anthropic-ai/sdk/resources/beta/sessions/events";
import { openRawStream, type RawStream, type RawStreamOptions } from "../harness/raw-stream.ts";
import { follow, type StreamEvent, typesOf } from "../harness/session.ts";

/** A stream that is read in the background, and waited on for a bounded time. */
export interface Following {
  events: StreamEvent[];
  /** All events up to the `n`-th one, counted from 1, of this type or that passes the test. */
  until(what: StreamEvent["type"] | ((event: StreamEvent) => boolean), n?: number): Promise<StreamEvent[]>;
  /** Waits until the server has ended the stream. */
  ended(): Promise<void>;
  close(): void;
}

export async function followWithin(
  client: Anthropic,
  id: string,
  waitMs: number,
  params: EventStreamParams,
): Promise<Following> {
  const stream = await within(waitMs, follow(client, id, params), () => "the stream to open");
  const seen = () => `seen: ${typesOf(stream.events).join(", ") || "nothing"}`;
  return {
    events: stream.events,
    until(what, n = 1) {
      const test = typeof what === "string" ? ({ type }: StreamEvent) => type === what : what;
      const named = typeof what === "string" ? what : "an event";
      return within(waitMs, stream.until(test, n), () => `${named}${n > 1 ? `, ${n} times` : ""}; ${seen()}`);
    },
    ended: () => within(waitMs, stream.ended, () => `the server to end the stream; ${seen()}`),
    close: stream.close,
  };
}

/** The stream as bytes and frames; `until` is bounded. */
export async function rawWithin(
  url: string,
  id: string,
  waitMs: number,
  options: RawStreamOptions,
): Promise<RawStream> {
  const stream = await within(waitMs, openRawStream(url, id, options), () => "the stream to open");
  const seen = () => `a frame; seen: ${stream.frames.map(({ event }) => event).join(", ") || "nothing"}`;
  return { ...stream, until: (test) => within(waitMs, stream.until(test), seen) };
}

/** Rejects with what was waited for when it takes too long. */
export async function within<Result>(
  waitMs: number,
  result: Promise<Result>,
  what: () => string,
): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${waitMs / 1_000} s for ${what()}`)), waitMs);
  });
  try {
    return await Promise.race([result, late]);
  } finally {
    clearTimeout(timer);
  }
}
