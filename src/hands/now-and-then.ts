import { limits } from "../limits.ts";

/** Hands on the newest of many lines: the first at once, then one at the end of each pause, which grow with the time. */
export function nowAndThen(tell: (line: string) => void): { say(line: string): void; close(): void } {
  const since = performance.now();
  let told_at = Number.NEGATIVE_INFINITY;
  let newest: string | null = null;
  let timer: NodeJS.Timeout | undefined;

  function tellNewest(): void {
    timer = undefined;
    if (newest === null) return;
    told_at = performance.now();
    tell(newest);
    newest = null;
  }

  return {
    say(line) {
      newest = line;
      if (timer) return;
      const now = performance.now();
      const pause_ms = Math.max(limits.setup_line_pause_ms, (now - since) * limits.setup_line_pause_share);
      const wait_ms = told_at + pause_ms - now;
      if (wait_ms <= 0) tellNewest();
      else timer = setTimeout(tellNewest, wait_ms);
    },
    close: () => clearTimeout(timer),
  };
}
