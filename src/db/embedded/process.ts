import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

const stopTimeoutMs = 30_000;

export interface RunningServer {
  pid: number;
  socket_dir: string;
}

/** The server that the pid file of a data directory names, unless the pid now belongs to something else. */
export function runningServer(data: string): RunningServer | null {
  try {
    const lines = readFileSync(join(data, "postmaster.pid"), "utf8").split("\n");
    const pid = Number(lines[0]);
    const socket_dir = lines[4]?.trim() ?? "";
    const [program = "", ...args] = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    const overThisData = args[args.indexOf("-D") + 1] === data;
    return program.endsWith("postgres") && overThisData && isAlive(pid) ? { pid, socket_dir } : null;
  } catch {
    return null;
  }
}

/** Resolves when a process that is not a child of this one is gone. */
export async function processGone(pid: number): Promise<void> {
  while (isAlive(pid)) await pause(200);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch {
    return false;
  }
}

/** SIGINT is PostgreSQL's fast shutdown, SIGQUIT its immediate one, after which it recovers at the next start. */
export async function stopServer(pid: number): Promise<void> {
  for (const signal of ["SIGINT", "SIGQUIT"] as const) {
    if (!isAlive(pid)) return;
    process.kill(pid, signal);
    const deadline = Date.now() + stopTimeoutMs;
    while (isAlive(pid) && Date.now() < deadline) await pause(10);
  }
}
