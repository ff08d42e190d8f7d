import { hintOf } from "./hints.ts";
import type { ModelFailure } from "./model.ts";

/** The stream ended too early, or was not one of the provider's API. */
export class BrokenStream extends Error {
  override readonly name = "BrokenStream";
}

export const cutShort = () => new BrokenStream("it ended in the middle");

export class SilentUpstream extends Error {
  override readonly name = "SilentUpstream";
}

/** A redirect: neither the key nor the conversation is for anybody but who was configured. */
export class Misdirected extends Error {
  override readonly name = "Misdirected";
}

interface Bounds {
  idle_ms: number;
  whole_ms: number;
  bytes_max: number;
}

/**
 * Passes bytes on, and breaks when none come for so long, or when they come to no end. Pings count, which SDKs keep to
 * themselves.
 */
export function cutWhenEndless({
  idle_ms,
  whole_ms,
  bytes_max,
}: Bounds): TransformStream<Uint8Array, Uint8Array> {
  let idle: NodeJS.Timeout | undefined;
  let whole: NodeJS.Timeout | undefined;
  let bytes = 0;
  const stop = () => {
    clearTimeout(idle);
    clearTimeout(whole);
  };
  return new TransformStream<Uint8Array, Uint8Array>({
    start(controller) {
      const cutAfter = (ms: number, error: Error) =>
        setTimeout(() => {
          stop();
          controller.error(error);
        }, ms).unref();
      idle = cutAfter(idle_ms, new SilentUpstream(`nothing came for ${idle_ms} ms`));
      whole = cutAfter(whole_ms, new BrokenStream(`it took longer than ${whole_ms} ms`));
    },
    transform(chunk, controller) {
      idle?.refresh();
      bytes += chunk.length;
      if (bytes <= bytes_max) return controller.enqueue(chunk);
      stop();
      controller.error(new BrokenStream(`it is longer than ${bytes_max} bytes`));
    },
    flush: stop,
    cancel: stop,
  });
}

/** What a connection that failed or broke off is told of as. */
export function brokenFailure(provider: string, error: unknown): ModelFailure {
  const causes = causesOf(error);
  const misdirected = causes.find((cause) => cause instanceof Misdirected);
  if (misdirected) {
    const kind = "not_configured";
    const message = `The provider "${provider}" ${misdirected.message}.${hintOf(kind, provider)}`;
    return { kind, message, retryable: false, retry_after_ms: null };
  }
  const message = brokenMessage(provider, causes);
  return { kind: "unavailable", message, retryable: true, retry_after_ms: null };
}

function causesOf(error: unknown): Error[] {
  const causes: Error[] = [];
  for (let cause = error; cause instanceof Error; cause = cause.cause) causes.push(cause);
  return causes;
}

/** What a parser quotes is cut: a key that the provider repeats is known whole, and no piece of it. */
const unquoted = (message: string): string =>
  message.replaceAll(/Unexpected token .{0,100}? is not valid JSON/gs, "it is not valid JSON");

function brokenMessage(provider: string, causes: Error[]): string {
  const own = causes.find((cause) => cause instanceof SilentUpstream || cause instanceof BrokenStream);
  if (own) return `The answer of the provider "${provider}" broke off: ${own.message}.`;
  const reasons = causes.map((cause) => {
    const { code } = cause as NodeJS.ErrnoException;
    return [unquoted(cause.message).replace(/\.$/, ""), code].filter((part) => part).join(" ");
  });
  return `The connection to the provider "${provider}" failed: ${reasons.join(": ")}.`;
}
