/** The stream ended too early, or was not one of the provider's API. */
export class BrokenStream extends Error {
  override readonly name = "BrokenStream";
}

export const cutShort = () => new BrokenStream("it ended in the middle");

export class SilentUpstream extends Error {
  override readonly name = "SilentUpstream";
}

/** Passes bytes on, and breaks when none come for so long. Pings count, which SDKs keep to themselves. */
export function cutWhenSilent(idle_ms: number): TransformStream<Uint8Array, Uint8Array> {
  let timer: NodeJS.Timeout | undefined;
  return new TransformStream<Uint8Array, Uint8Array>({
    start(controller) {
      timer = setTimeout(() => {
        controller.error(new SilentUpstream(`nothing came for ${idle_ms} ms`));
      }, idle_ms);
    },
    transform(chunk, controller) {
      timer?.refresh();
      controller.enqueue(chunk);
    },
    flush: () => clearTimeout(timer),
    cancel: () => clearTimeout(timer),
  });
}

/** What a connection that failed or broke off is told of as. */
export function brokenMessage(provider: string, error: unknown): string {
  const reasons: string[] = [];
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof SilentUpstream || cause instanceof BrokenStream)
      return `The answer of the provider "${provider}" broke off: ${cause.message}.`;
    const { code } = cause as NodeJS.ErrnoException;
    reasons.push([cause.message.replace(/\.$/, ""), code].filter((part) => part).join(" "));
  }
  return `The connection to the provider "${provider}" failed: ${reasons.join(": ") || String(error)}.`;
}
