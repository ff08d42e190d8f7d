import { limits } from "../../limits.ts";
import type { ApiError } from "../../protocol/errors.ts";

/** Streams of server-sent events as the Messages API writes them. */

export const frame = (event: Record<string, unknown>): string =>
  `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;

/** The last frame of an answer that cannot go on. */
export const errorFrame = ({ type, message }: Pick<ApiError, "type" | "message">): string =>
  frame({ type: "error", error: { type, message } });

/** Whole frames of a stream that arrives in any pieces. What comes after the last one is left out. */
export async function* wholeFrames(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  /** Of a frame that is not whole. Only its end is looked at again: it may be long, and come in many pieces. */
  const begun: string[] = [];
  let tail = "";
  for await (const chunk of bytes) {
    const piece = decoder.decode(chunk, { stream: true });
    const end = endOfFrames(tail + piece) - tail.length;
    if (end > 0) yield [...begun.splice(0), piece.slice(0, end)].join("");
    const rest = end > 0 ? piece.slice(end) : piece;
    tail = (end > 0 ? rest : tail + rest).slice(-longest_end);
    begun.push(rest);
  }
}

const frame_ends = ["\n\n", "\n\r\n"];
/** Of an end of which a last character is missing. */
const longest_end = 2;

/** Where the last frame ends; 0 where none does. */
const endOfFrames = (text: string): number =>
  Math.max(...frame_ends.map((end) => (text.includes(end) ? text.lastIndexOf(end) + end.length : 0)));

/** What the lines of some frames carry. */
export const dataIn = (frames: string): string[] =>
  frames.split("\n").flatMap((line) => (line.startsWith("data:") ? [line.slice("data:".length)] : []));

/**
 * As fast as the client reads. While nothing is said it hears that somebody is there. When it leaves, `onLeave` has to
 * bring the frames to their end.
 */
export function eventStream(frames: AsyncGenerator<string>, onLeave: () => void): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let ping: NodeJS.Timeout | undefined;
  return new ReadableStream<Uint8Array>({
    start(controller) {
      ping = setInterval(() => {
        if ((controller.desiredSize ?? 0) > 0) controller.enqueue(encoder.encode(frame({ type: "ping" })));
      }, limits.stream_ping_ms);
    },
    async pull(controller) {
      const next = await frames.next().catch((error: unknown) => {
        clearInterval(ping);
        throw error;
      });
      if (!next.done) {
        ping?.refresh();
        controller.enqueue(encoder.encode(next.value));
        return;
      }
      clearInterval(ping);
      controller.close();
    },
    async cancel() {
      clearInterval(ping);
      onLeave();
      while (!(await frames.next()).done);
    },
  });
}
