import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** What is left of sandboxes, where something is. */

/** Programs that run in sandboxes of that host, and what has begun each of them. */
export function sandboxProcesses(handsPid: number): number[] {
  const own = read(() => readlinkSync(`/proc/${handsPid}/ns/pid`));
  return descendants(handsPid).filter(
    (pid) =>
      read(() => readlinkSync(`/proc/${pid}/ns/pid`)) !== own ||
      read(() => readFileSync(`/proc/${pid}/cmdline`, "utf8")).includes("--unshare-pid"),
  );
}

/** What is a process's of the memory, and its part of what it shares; `KiB`. */
export function pss(pid: number): number {
  const [, kib = "0"] =
    /^Pss: +(\d+) kB/m.exec(read(() => readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))) ?? [];
  return Number(kib);
}

/**
 * Files, pipes, sockets and namespaces that it has open, by their kind. The journals of sessions are left out, which are kept
 * open for a while.
 */
export function openFiles(pid: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    const path = read(() => readlinkSync(`/proc/${pid}/fd/${fd}`));
    const [, kind = "file"] = /^(\w+):\[/.exec(path) ?? [];
    if (path !== "" && !path.endsWith(".jsonl")) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return counts;
}

export const mountsBelow = (folder: string): number =>
  readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .filter((line) => line.includes(` ${folder}/`)).length;

/** All that a process has begun, and what that has. */
export function descendants(of: number): number[] {
  const parents = new Map<number, number>();
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    const [, after = ""] = read(() => readFileSync(`/proc/${pid}/stat`, "utf8")).split(/\) (?=[A-Z] )/);
    parents.set(Number(pid), Number(after.split(" ")[1]));
  }
  const isBelow = (pid: number): boolean => {
    const parent = parents.get(pid);
    return parent !== undefined && (parent === of || isBelow(parent));
  };
  return [...parents.keys()].filter(isBelow);
}

/** Empty where the process is gone. */
function read(attempt: () => string): string {
  try {
    return attempt();
  } catch {
    return "";
  }
}
