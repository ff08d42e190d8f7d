import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { Unavailable } from "../../driver.ts";
import { findProgram } from "../bwrap.ts";

/** gVisor's program as it is installed here. */
export interface Runsc {
  path: string;
  version: string;
  /** How it takes the system calls of its programs: the newer `systrap` where it is offered. */
  platform: string;
  /** Those of our settings that it knows. */
  flags: string[];
}

/**
 * What differs from its defaults, by the name of the flag. Those that are required came with 2022-12; the others undo
 * what a newer one does of its own accord.
 */
const settings: { flag: string; value: string; required?: true }[] = [
  // The pipes through which the host speaks to the processes of a sandbox.
  { flag: "host-fifo", value: "open", required: true },
  { flag: "ignore-cgroups", value: "true", required: true },
  // Files are reached through a process of their own, and what is read-only stays as it is.
  { flag: "directfs", value: "false" },
  { flag: "overlay2", value: "none" },
];

/** Throws `Unavailable` with what to install. */
export async function findRunsc(): Promise<Runsc> {
  const path = findProgram("runsc");
  if (!path)
    throw new Unavailable(
      "gVisor is not installed; install `runsc`, from gvisor.dev or the package `runsc` of Debian",
    );
  const run = promisify(execFile);
  const [version, flags] = await Promise.all([
    run(path, ["--version"], { env: {} }),
    run(path, ["flags"], { env: {} }),
  ]);
  const said = readFlags(flags.stdout + flags.stderr);
  for (const { flag, required } of settings)
    if (required && !said.has(flag))
      throw new Unavailable(`${path} is too old, it has no --${flag}: install runsc of 2022-12 or newer`);
  return {
    path,
    version: /version\s+(\S+)/.exec(version.stdout)?.[1] ?? "unknown",
    platform: said.get("platform")?.includes("systrap") ? "systrap" : "ptrace",
    flags: settings.filter(({ flag }) => said.has(flag)).map(({ flag, value }) => `--${flag}=${value}`),
  };
}

/** Each flag that it lists, and what it says of it. */
export function readFlags(text: string): Map<string, string> {
  const found = [...text.matchAll(/^ +--?([a-z0-9_-]+)(.*\n(?:[ ]*\t.*\n?)*)/gim)];
  return new Map(found.map(([, name = "", about = ""]) => [name, about]));
}
