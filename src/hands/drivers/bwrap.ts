import { type ChildProcess, execFile } from "node:child_process";
import { accessSync, constants, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { Unavailable } from "../driver.ts";
import { hostPrograms } from "./root-filesystem.ts";
import type { User } from "./sandbox-folders.ts";

export interface Bwrap {
  path: string;
  /** Older ones leave nested user namespaces to the system call filter alone. */
  disablesUserns: boolean;
}

/** And how it begins sandboxes on this machine. */
export interface BwrapHere extends Bwrap {
  /**
   * `user`: it makes a user namespace first, and is nobody on the host at any time. `root`: where the machine forbids
   * those, root makes the others, and the sandbox's first program gives all of that up before it begins.
   */
  way: "user" | "root";
}

const minimum = { major: 0, minor: 5 };

/** Throws `Unavailable` with what to install. */
export async function findBwrap(): Promise<Bwrap> {
  const path = findProgram("bwrap");
  if (!path) throw new Unavailable("bubblewrap is not installed; install the package `bubblewrap`");
  const run = promisify(execFile);
  const help = await run(path, ["--help"], { env: {} });
  const version = (await run(path, ["--version"], { env: {} })).stdout.trim().split(" ").at(-1) ?? "";
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major < minimum.major || (major === minimum.major && minor < minimum.minor)) {
    throw new Unavailable(
      `${path} is version ${version}; install bubblewrap ${minimum.major}.${minimum.minor} or newer`,
    );
  }
  return { path, disablesUserns: /--disable-userns/.test(help.stdout + help.stderr) };
}

/** `user` is one of those that sandboxes run as; empty: this process's own, who has one way alone. */
export async function findBwrapHere(user: User): Promise<BwrapHere> {
  const bwrap = await findBwrap();
  if (user.uid === undefined) return { ...bwrap, way: "user" };
  const probe = ["--unshare-user", ...hostPrograms(), "true"];
  return promisify(execFile)(bwrap.path, probe, { ...user, cwd: "/", env: {} }).then(
    () => ({ ...bwrap, way: "user" }),
    () => ({ ...bwrap, way: "root" }),
  );
}

export const findProgram = (name: string): string | undefined =>
  (process.env.PATH ?? "/usr/bin:/bin")
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find(isExecutable);

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** What to change so that a sandbox starts, by what bwrap said before it ended. */
export function explainFailure(stderr: string, child: ChildProcess, bwrap: Bwrap): string {
  const said = stderr || `it ended with ${child.exitCode ?? child.signalCode ?? "no process"}`;
  return `no sandbox could be started (${said})${advice(said, bwrap)}`;
}

function advice(said: string, bwrap: Bwrap): string {
  if (/namespace|uid map|No permissions to create|Operation not permitted/i.test(said)) {
    if (setting("kernel/apparmor_restrict_unprivileged_userns") === "1") {
      return `. AppArmor forbids user namespaces: give ${bwrap.path} a profile that allows \`userns\`, or set the sysctl kernel.apparmor_restrict_unprivileged_userns=0`;
    }
    if (setting("kernel/unprivileged_userns_clone") === "0") {
      return ". The kernel forbids user namespaces: set the sysctl kernel.unprivileged_userns_clone=1";
    }
    if (setting("user/max_user_namespaces") === "0") {
      return ". The kernel forbids user namespaces: set the sysctl user.max_user_namespaces to 10000 or so";
    }
    return ". Sandboxes need user namespaces and a /proc of their own: in a container, allow them (for Docker: --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined)";
  }
  if (/Permission denied/i.test(said)) {
    return ". The sandbox's user cannot reach its folders: the data directory must lie where every user may pass (chmod o+x on the folders above it), not under /root";
  }
  return "";
}

function setting(name: string): string | null {
  try {
    return readFileSync(`/proc/sys/${name}`, "utf8").trim();
  } catch {
    return null;
  }
}
