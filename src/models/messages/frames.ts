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
  let rest = "";
  for await (const chunk of bytes) {
    rest += decoder.decode(chunk, { stream: true });
    const parts = rest.split(/(?<=\n\r?\n)/);
    rest = /\n\r?\n$/.test(rest) ? "" : (parts.pop() ?? "");
    if (parts.length > 0) yield parts.join("");
  }
}

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
      const next = await frames.next();
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
