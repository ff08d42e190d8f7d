/** How long the headers of an answer ask to wait, in `ms`. */
export function retryAfterOf(header: (name: string) => string | null | undefined): number | null {
  const ms = Number(header("retry-after-ms") ?? Number.NaN);
  if (ms >= 0) return ms;
  const value = header("retry-after");
  if (!value) return null;
  const seconds = Number(value);
  const until = Number.isNaN(seconds) ? Date.parse(value) - Date.now() : seconds * 1_000;
  return Number.isNaN(until) ? null : Math.max(0, until);
}
