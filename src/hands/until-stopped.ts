const timerMsMax = 2 ** 31 - 1;

/** What `over` resolves to, unless its time or the patience of the caller runs out first. */
export async function untilStopped<T>(
  over: Promise<T>,
  { timeout_ms, signal }: { timeout_ms: number; signal: AbortSignal },
): Promise<T | "timed_out" | "cancelled"> {
  const { promise, resolve } = Promise.withResolvers<"timed_out" | "cancelled">();
  const timer = setTimeout(resolve, Math.min(timeout_ms, timerMsMax), "timed_out");
  const cancel = () => resolve("cancelled");
  signal.addEventListener("abort", cancel, { once: true });
  if (signal.aborted) cancel();
  try {
    return await Promise.race([over, promise]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", cancel);
  }
}

/** Null when it takes longer. */
export async function within<T>(ms: number, promise: Promise<T>): Promise<T | null> {
  const result = await untilStopped(promise, { timeout_ms: ms, signal: new AbortController().signal });
  return result === "timed_out" || result === "cancelled" ? null : result;
}
