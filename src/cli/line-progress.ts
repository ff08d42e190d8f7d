import type { Terminal } from "./terminal.ts";

/** How often anything but a terminal is told. */
const otherMs = 10_000;
const control = /\p{Cc}/gu;

/** Shows the newest line of what another program says, and only now and then where there is no terminal. */
export function lineProgress(out: Terminal): { say(line: string): void; clear(): void } {
  let shown = false;
  let nextAt = Date.now() + otherMs;
  return {
    say(line) {
      const text = line.replaceAll(control, " ").slice(0, (out.columns ?? 100) - 1);
      if (out.isTTY) {
        out.write(`\r\u001b[K${text}`);
        shown = true;
      } else if (Date.now() >= nextAt) {
        out.write(`${text}\n`);
        nextAt = Date.now() + otherMs;
      }
    },
    clear() {
      if (shown) out.write("\r\u001b[K");
      shown = false;
    },
  };
}
