import type { ServerResponse } from "node:http";
import type { Database } from "../db/database.ts";
import { limits } from "../limits.ts";
import { type Entry, wireEvent } from "../log/entry.ts";
import type { Previews } from "../log/previews.ts";
import { readBySeqs } from "../log/read.ts";
import type { Watch } from "../log/watch.ts";
import { newId } from "../protocol/ids.ts";
import { type StreamStart, streamCursor } from "../resources/sessions/stream.ts";
import { type PreviewFilter, previewFilter } from "./preview-filter.ts";

export interface EventStream {
  db: Database;
  watch: Watch;
  previews: Previews;
  sessionId: string;
  /** Only this thread's events, those that the session's stream leaves out included; null is the session's stream. */
  threadId: string | null;
  start: StreamStart;
  wanted: {
    /** Null: every type. */
    types: readonly string[] | null;
    deltas: readonly string[];
  };
}

/** Writes frames until the client leaves, the session ends or `stop` is aborted. Replay and live are one loop. */
export async function writeEventStream(
  response: ServerResponse,
  headers: Record<string, string>,
  stream: EventStream,
  stop: AbortSignal,
): Promise<void> {
  // One that left while its stream was being opened does not say so again.
  if (response.destroyed) {
    stream.watch.close();
    return;
  }
  const closed = new AbortController();
  response.on("close", () => closed.abort());
  const signal = AbortSignal.any([closed.signal, stop]);
  response.writeHead(200, {
    "content-type": "text/event-stream",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",
    ...headers,
  });
  response.flushHeaders();
  const ping = setInterval(() => {
    if (!response.writableNeedDrain) send(response, `event: ping\ndata: {"type":"ping"}\n\n`);
  }, limits.stream_ping_ms);
  const previews = previewFilter(stream, (event) => {
    if (response.writableNeedDrain) return "shed";
    send(response, frame(null, event));
    return "shown";
  });
  const hearing =
    stream.wanted.deltas.length > 0 ? stream.previews.watch(stream.sessionId, previews.hear) : null;
  try {
    await writeEvents(response, stream, previews, signal);
  } finally {
    clearInterval(ping);
    hearing?.close();
    stream.watch.close();
    response.end();
  }
}

async function writeEvents(
  response: ServerResponse,
  stream: EventStream,
  previews: PreviewFilter,
  signal: AbortSignal,
): Promise<void> {
  const queued = new Map<number, Entry>();
  const backlog = backlogOf(stream);
  let seq = stream.start.seq;
  while (!signal.aborted) {
    const entries = await stream.watch.after(seq);
    if (entries === "gone") {
      const event = { id: newId("event"), type: "session.deleted", processed_at: new Date().toISOString() };
      send(response, frame(null, event));
      return;
    }
    await findPromoted(entries, queued, stream);
    for (const entry of entries) {
      seq = entry.seq;
      if (response.writableNeedDrain) await backlog.wait(response, signal);
      if (signal.aborted || response.destroyed) return;
      backlog.written(entry);
      const event = shown(entry, queued, stream.threadId);
      if (event && (stream.wanted.types?.includes(event.type) ?? true))
        send(response, frame(streamCursor(stream.start.incarnation, seq), event));
      previews.passed(entry);
      if (entry.type === "session.status_terminated") return;
    }
    if (entries.length > 0) continue;
    if (stream.start.ended && seq >= stream.start.head) return;
    await stream.watch.ring(seq, signal);
  }
}

/** Queued events are remembered until they are taken up; what arrived before the stream began is read. */
async function findPromoted(
  entries: Entry[],
  queued: Map<number, Entry>,
  stream: EventStream,
): Promise<void> {
  for (const entry of entries) if (entry.audience === "queued") queued.set(entry.seq, entry);
  const missing = entries.flatMap(({ of_seq }) => (of_seq !== null && !queued.has(of_seq) ? [of_seq] : []));
  for (const entry of await readBySeqs(stream.db, stream.sessionId, missing)) queued.set(entry.seq, entry);
}

function shown(entry: Entry, queued: Map<number, Entry>, threadId: string | null) {
  if (threadId !== null && entry.thread_id !== threadId) return null;
  if (entry.of_seq !== null) {
    const event = queued.get(entry.of_seq);
    queued.delete(entry.of_seq);
    return event ? wireEvent(event, entry.created_at) : null;
  }
  const hidden = entry.audience === "internal" || (entry.audience === "thread" && threadId === null);
  return hidden ? null : wireEvent(entry);
}

const frame = (cursor: string | null, event: { type: string }) =>
  `event: ${event.type}\n${cursor === null ? "" : `id: ${cursor}\n`}data: ${JSON.stringify(event)}\n\n`;

/** What the log has got since the stream was opened and its client has not. The log keeps it; here it is measured. */
interface Backlog {
  /** Until the client has taken what it was given. Too far behind, it is cut off: it comes back with its cursor. */
  wait(response: ServerResponse, signal: AbortSignal): Promise<void>;
  written(entry: Entry): void;
}

function backlogOf({ watch, start }: EventStream): Backlog {
  let measured = start.head;
  let bytes = 0;
  const sizeOf = (entry: Entry) => Buffer.byteLength(JSON.stringify(entry.body));

  return {
    async wait(response, signal) {
      const drained = new AbortController();
      const onDrain = () => drained.abort();
      response.once("drain", onDrain);
      const over = AbortSignal.any([signal, drained.signal]);
      while (!over.aborted) {
        const entries = await watch.after(measured);
        if (entries === "gone") break;
        for (const entry of entries) bytes += sizeOf(entry);
        measured = entries.at(-1)?.seq ?? measured;
        if (bytes > limits.stream_backlog_bytes_max) {
          response.destroy();
          break;
        }
        if (entries.length === 0) await watch.ring(measured, over);
      }
      response.off("drain", onDrain);
    },
    written(entry) {
      if (entry.seq <= start.head) return;
      if (entry.seq <= measured) bytes -= sizeOf(entry);
      else measured = entry.seq;
    },
  };
}

function send(response: ServerResponse, text: string): void {
  if (!response.destroyed) response.write(text);
}
