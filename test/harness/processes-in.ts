import { readdirSync, readlinkSync } from "node:fs";
import { sep } from "node:path";

/** The processes that work in a folder or below it, as those do which they start. */
export const processesIn = (folder: string): number[] =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => `${workingFolder(pid)}${sep}`.startsWith(`${folder}${sep}`))
    .map(Number);

/** Sends all of them a signal, those too that come while it does. */
export function signalIn(folder: string, signal: NodeJS.Signals): void {
  const told = new Set<number>();
  for (;;) {
    const untold = processesIn(folder).filter((pid) => !told.has(pid));
    if (untold.length === 0) return;
    for (const pid of untold) {
      told.add(pid);
      try {
        process.kill(pid, signal);
      } catch {
        // It has ended by itself.
      }
    }
  }
}

function workingFolder(pid: string): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return "";
  }
}
