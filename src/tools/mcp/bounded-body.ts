import { limits } from "../../limits.ts";

/** A server has sent more than anybody wants to hold. */
export class TooMuch extends Error {
  override readonly name = "TooMuch";
}

/**
 * What a server answers, ended with an error where one message is too long (one event of a stream of events, or a whole
 * document) or all of it is.
 */
export function boundedBody(body: ReadableStream<Uint8Array>, isStream: boolean): ReadableStream<Uint8Array> {
  let all = 0;
  const message = isStream ? messageCounter() : () => all;
  const shown = isStream ? withLineFeeds() : (chunk: Uint8Array) => chunk;
  return body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        all += chunk.byteLength;
        if (all > limits.mcp_answer_bytes_max)
          throw new TooMuch(`the server sends more than ${limits.mcp_answer_bytes_max >> 20} MiB at once`);
        const lines = shown(chunk);
        if (message(lines) > limits.mcp_message_bytes_max)
          throw new TooMuch(
            `the server sends a message of more than ${limits.mcp_message_bytes_max >> 20} MiB`,
          );
        controller.enqueue(lines);
      },
    }),
  );
}

const lf = 10;
const cr = 13;

/** Takes chunks, and gives them back with one kind of line end: whoever parses them takes the longer, the more of the others. */
function withLineFeeds(): (chunk: Uint8Array) => Uint8Array {
  let afterCr = false;
  return (chunk) => {
    if (!afterCr && !chunk.includes(cr)) return chunk;
    const lines = new Uint8Array(chunk.length);
    let length = 0;
    for (const byte of chunk) {
      if (byte !== lf || !afterCr) {
        lines[length] = byte === cr ? lf : byte;
        length += 1;
      }
      afterCr = byte === cr;
    }
    return lines.subarray(0, length);
  };
}

/** Takes chunks, and says how long the longest message is that stood in the last one: they end at blank lines. */
function messageCounter(): (chunk: Uint8Array) => number {
  let bytes = 0;
  let lineBytes = 0;
  return (chunk) => {
    let longest = 0;
    for (const byte of chunk) {
      bytes += 1;
      if (byte === lf) {
        if (lineBytes === 0) bytes = 0;
        lineBytes = 0;
      } else lineBytes += 1;
      if (bytes > longest) longest = bytes;
    }
    return longest;
  };
}

/** The same, and `ended` is told when it is over, with what it ended of: null is its end. */
export function whenEnded(
  body: ReadableStream<Uint8Array>,
  ended: (error: unknown) => void,
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (!done) return controller.enqueue(value);
        controller.close();
        ended(null);
      } catch (error) {
        controller.error(error);
        ended(error);
      }
    },
    cancel: (reason) => reader.cancel(reason),
  });
}
