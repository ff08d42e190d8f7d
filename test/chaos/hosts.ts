import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";

/** A `hands`, by name, and how every `serve` reaches it: as one of its own machine, or as one of another. */
export interface HostSpec {
  name: string;
  over: "socket" | "network";
}

/** Where a host with that data directory has its workspaces. */
export const sandboxesIn = (data: string): string => join(data, "hands", "sandboxes");

/** The id that a host with that data directory goes by. */
export const hostIdIn = (data: string): string => readFileSync(join(data, "hands", "host-id"), "utf8").trim();

/** Kills every process of one of the sandboxes that run there now, the `nth`, counted around. */
export function killSandbox(data: string, nth: number): void {
  const running = processesBySandbox(data);
  const ids = [...running.keys()].sort();
  const id = ids[nth % ids.length];
  for (const pid of running.get(id ?? "") ?? []) kill(pid);
}

/** A process is in a sandbox when it sees the workspace as a mount. */
function processesBySandbox(data: string): Map<string, number[]> {
  const found = new Map<string, number[]>();
  const workspace = new RegExp(`/${basename(data)}/hands/sandboxes/(sbx_[^/ ]+)/workspace `);
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    const [, id] = workspace.exec(readProc(pid)) ?? [];
    if (id !== undefined) found.set(id, [...(found.get(id) ?? []), Number(pid)]);
  }
  return found;
}

/** Empty for a process that has ended. */
function readProc(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/mountinfo`, "utf8");
  } catch {
    return "";
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended with the one before.
  }
}
