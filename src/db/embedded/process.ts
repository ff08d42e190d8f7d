import { existsSync, readFileSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

const stopTimeoutMs = 30_000;

export interface RunningServer {
  pid: number;
  socket_dir: string;
}

/** The server that the pid file of a data directory names, unless the pid now belongs to something else. */
export function runningServer(data: string): RunningServer | null {
  const named = readPidFile(data);
  if (!named) return null;
  const [program = "", ...args] = commandOf(named.pid);
  const overThisData = program.endsWith("postgres") && args[args.indexOf("-D") + 1] === data;
  return overThisData && isAlive(named.pid) ? named : null;
}

/**
 * Removes a pid file whose pid belongs to a program that is no PostgreSQL, as after a reboot: PostgreSQL asks only
 * whether the process lives and is of the same user. Callers hold the lock of the data directory.
 */
export function removeForeignPidFile(data: string): void {
  const named = readPidFile(data);
  const [program = ""] = named ? commandOf(named.pid) : [];
  if (program !== "" && !basename(program).startsWith("postgres")) rmSync(join(data, "postmaster.pid"));
}

function readPidFile(data: string): RunningServer | null {
  const file = join(data, "postmaster.pid");
  if (!existsSync(file)) return null;
  const lines = readFileSync(file, "utf8").split("\n");
  return { pid: Number(lines[0]), socket_dir: lines[4]?.trim() ?? "" };
}

function commandOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return [];
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

/** SIGINT is PostgreSQL's fast shutdown; after the others it recovers at the next start. */
export async function stopServer(pid: number): Promise<void> {
  for (const signal of ["SIGINT", "SIGQUIT", "SIGKILL"] as const) {
    if (!isAlive(pid)) return;
    process.kill(pid, signal);
    const deadline = Date.now() + stopTimeoutMs;
    while (isAlive(pid) && Date.now() < deadline) await pause(10);
  }
}
