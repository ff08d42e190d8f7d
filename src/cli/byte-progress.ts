import type { Progress } from "../backup/backup.ts";
import type { Terminal } from "./terminal.ts";

/** How often a terminal is told, and how often anything else. */
const terminalMs = 250;
const otherMs = 10_000;

/** Says what is being done once it has taken a second, and how far it is. */
export function byteProgress(out: Terminal): Progress & { clear(): void } {
  const pause = out.isTTY ? terminalMs : otherMs;
  let what = "";
  let total: number | null = null;
  let done = 0;
  let nextAt = 0;
  let shown = false;

  function clear(): void {
    if (shown && out.isTTY) out.write("\r\u001b[K");
    shown = false;
  }

  function show(): void {
    const share = total ? ` of ${mib(total)}` : "";
    const text = total === null && done === 0 ? what : `${what}: ${mib(done)}${share} MiB`;
    out.write(out.isTTY ? `\r\u001b[K${text}` : `${text}\n`);
    shown = true;
  }

  return {
    clear,
    begin(next, bytes) {
      clear();
      [what, total, done, nextAt] = [next, bytes, 0, Date.now() + 1_000];
    },
    passed(bytes) {
      done += bytes;
      if (Date.now() < nextAt) return;
      nextAt = Date.now() + pause;
      show();
    },
  };
}

export const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(bytes < 2 ** 20 ? 1 : 0);
