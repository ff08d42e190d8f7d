import { limits } from "../../limits.ts";

/** A server has sent more than anybody wants to hold. */
export class TooMuch extends Error {
  override readonly name = "TooMuch";
}

/**
 * What a server answers, ended with an error where one message is too long (one event of a stream of events, or a whole
 * document), or holds too many values, or all of it is too long. It is to be JSON.
 */
export function boundedBody(body: ReadableStream<Uint8Array>, isStream: boolean): ReadableStream<Uint8Array> {
  let all = 0;
  const measured = meter(isStream);
  const shown = isStream ? withLineFeeds() : (chunk: Uint8Array) => chunk;
  return body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        all += chunk.byteLength;
        if (all > limits.mcp_answer_bytes_max)
          throw new TooMuch(`the server sends more than ${limits.mcp_answer_bytes_max >> 20} MiB at once`);
        const lines = shown(chunk);
        const message = measured(lines);
        if (message.bytes > limits.mcp_message_bytes_max)
          throw new TooMuch(
            `the server sends a message of more than ${limits.mcp_message_bytes_max >> 20} MiB`,
          );
        if (message.values > limits.mcp_message_values_max)
          throw new TooMuch(
            `the server sends a message of more than ${limits.mcp_message_values_max} values`,
          );
        controller.enqueue(lines);
      },
    }),
  );
}

const [lf, cr] = [10, 13];
const [quote, backslash, comma, bracket, brace] = [...Buffer.from('"\\,[{')];

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

interface Measured {
  bytes: number;
  /** Objects, lists and what follows a comma: a byte of JSON may take a hundred of memory, and the longer to be looked at. */
  values: number;
}

/** Takes chunks, and says what the largest message has that stood in the last one: in a stream they end at blank lines. */
function meter(isStream: boolean): (chunk: Uint8Array) => Measured {
  let bytes = 0;
  let values = 0;
  let lineBytes = 0;
  let inText = false;
  let isEscaped = false;
  return (chunk) => {
    const most: Measured = { bytes: 0, values: 0 };
    for (const byte of chunk) {
      bytes += 1;
      if (isStream && byte === lf) {
        if (lineBytes === 0) bytes = values = 0;
        lineBytes = 0;
        // No text of JSON has a line end in it.
        inText = isEscaped = false;
      } else lineBytes += 1;
      if (isEscaped) isEscaped = false;
      else if (byte === quote) inText = !inText;
      else if (inText) isEscaped = byte === backslash;
      else if (byte === comma || byte === bracket || byte === brace) values += 1;
      if (bytes > most.bytes) most.bytes = bytes;
      if (values > most.values) most.values = values;
    }
    return most;
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
