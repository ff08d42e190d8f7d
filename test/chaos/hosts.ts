import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";

/** A `hands`, by name, and how every `serve` reaches it: as one of its own machine, or as one of another. */
export interface HostSpec {
  name: string;
  over: "socket" | "network";
}

const main = join(import.meta.dirname, "../../src/main.ts");

/** What each side shows the other, where they speak over the network; both are on the loopback. */
export function makeCertificates(folder: string, env: NodeJS.ProcessEnv) {
  execFileSync(process.execPath, [main, "certs", folder, "--host", "127.0.0.1"], { env, stdio: "pipe" });
  const shownBy = (name: string) => ({
    DROVER_HANDS_CA: join(folder, "ca.crt"),
    DROVER_HANDS_CERT: join(folder, `${name}.crt`),
    DROVER_HANDS_KEY: join(folder, `${name}.key`),
  });
  return { serve: shownBy("serve"), hands: shownBy("host-127.0.0.1") };
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
