import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, closeSync, copyFileSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Duplex } from "node:stream";
import { limits } from "../../limits.ts";
import { type Driver, type KeptFolder, type Namespace, type Sandbox, Unavailable } from "../driver.ts";
import { proxyEnvironment } from "../network/inside.ts";
import { plainSpec } from "../plain-spec.ts";
import type { SandboxSpec } from "../wire.ts";
import { type Bwrap, explainFailure, findBwrap } from "./bwrap.ts";
import { type Cgroup, type Cgroups, findCgroups } from "./cgroups.ts";
import { createInit, type Init, initProgram } from "./init.ts";
import { joining } from "./joining.ts";
import { outputFiles } from "./output-files.ts";
import { pipeSets } from "./pipes.ts";
import { inside, readOnlyRoot, writeEtc } from "./root-filesystem.ts";
import { type SandboxFolder, sandboxFolders } from "./sandbox-folders.ts";
import { type Architecture, seccompFilter } from "./seccomp.ts";

export interface BubblewrapOptions {
  /** Holds the workspaces. Every user must be able to pass the folders above it. */
  data_dir: string;
  /** Host user ids for sandboxes, one each, when this process is root. */
  uids?: { first: number; count: number };
}

const pipesInside = "/run/drover";
const initInside = "/run/init";
const toolResultsInside = "/mnt/session/tool_results";
const checkSpec: SandboxSpec = {
  ...plainSpec,
  limits: {
    ...plainSpec.limits,
    processes: 64,
    memory_bytes: 256 << 20,
    tmp_bytes: 1 << 20,
    file_bytes: 1 << 20,
  },
};
const defaultUids = { first: 1_900_000_000, count: 100_000 };
const stderrBytesKept = 4_096;

/**
 * Sandboxes by bubblewrap: every namespace, a system call filter, no capabilities, the host's /usr read-only. Never
 * with host uid 0, to which much of /proc/sys stays writable inside: under root each sandbox has a uid of its own.
 */
export function bubblewrap(options: BubblewrapOptions): Driver {
  const asRoot = process.getuid?.() === 0;
  const uids = asRoot ? (options.uids ?? defaultUids) : null;
  const folders = sandboxFolders(options.data_dir, uids);
  const cgroups = findCgroups(options.data_dir);
  const etc = join(options.data_dir, "etc");
  writeEtc(etc);
  const filter = join(options.data_dir, "seccomp.bpf");
  writeFileSync(filter, seccompFilter(architecture()));
  // Copied to where the sandboxes' users can reach it, which need not hold for our own folder.
  const program = join(options.data_dir, "init.bash");
  copyFileSync(initProgram, program);
  chmodSync(program, 0o644);

  let found: Bwrap | null = null;

  async function provision(id: string, spec: SandboxSpec, network?: Namespace): Promise<Sandbox> {
    const refusal = refusalOf(spec, cgroups);
    if (refusal !== null) throw new Unavailable(refusal);
    found ??= await findBwrap();
    const folder = folders.open(id);
    const cgroup = cgroups?.create(id, {
      memory_bytes: spec.limits.memory_bytes,
      processes: spec.limits.processes + 32,
    });
    const start = joining(network, folder.user, [
      ...[found.path, ...isolation(found, network)],
      ...readOnlyRoot(etc, network ? "open" : "none"),
      ...["--ro-bind", program, initInside],
      ...ownFilesystem(folder, spec, network),
      ...["bash", "--norc", "--noprofile", initInside, ...limitsOf(spec, cgroups)],
    ]);
    const seccomp = openSync(filter, "r");
    const child = spawn(start.command, start.args, {
      ...start.user,
      cwd: "/",
      env: {},
      stdio: ["pipe", "pipe", "pipe", "pipe", "pipe", seccomp],
    });
    closeSync(seccomp);
    return started({ id, child, folder, cgroup, bwrap: found });
  }

  return {
    name: "bubblewrap",
    provision,
    forget: (id) => folders.remove(id),
    keptFolders(id) {
      const folder = folders.find(id);
      return folder && keptFolders(folder);
    },
    stage(id) {
      const { path, folder, commit, discard } = folders.stage(id);
      return { path, folders: keptFolders(folder), commit, discard };
    },
    async check() {
      try {
        await (await provision("sbx_check", checkSpec)).destroy();
        return null;
      } catch (error) {
        if (error instanceof Unavailable) return error.message;
        throw error;
      } finally {
        await folders.remove("sbx_check");
      }
    },
  };
}

function keptFolders({ workspace, home, outputs, tool_results, user }: SandboxFolder): KeptFolder[] {
  const { uid, gid } = user;
  const owner = uid === undefined || gid === undefined ? null : { uid, gid };
  return [
    { name: "workspace", path: workspace, inside: "/workspace", owner },
    { name: "home", path: home, inside: inside.home, owner },
    { name: "outputs", path: outputs, inside: "/mnt/session/outputs", owner },
    {
      name: "tool_results",
      path: tool_results,
      inside: toolResultsInside,
      owner: owner && { uid: process.getuid?.() ?? 0, gid: owner.gid },
    },
  ];
}

/** What of the spec cannot be done here. */
function refusalOf(spec: SandboxSpec, cgroups: Cgroups | null): string | null {
  const { image, packages, setup, demanded } = spec;
  if (image !== null) return `bubblewrap runs on the host's own /usr and has no image ${image}`;
  if (Object.values(packages).some((names) => names.length > 0)) return "bubblewrap installs no packages";
  if (setup.length > 0) return "bubblewrap runs no setup commands";
  if (demanded.includes("cpu")) return "the processor time of a sandbox cannot be limited here";
  if (demanded.includes("disk_bytes")) return "the disk space of a sandbox cannot be limited here";
  if (demanded.includes("memory_bytes") && !cgroups?.limitsMemory)
    return "the memory of a sandbox as a whole cannot be limited here, without cgroups that can be written";
  return null;
}

function architecture(): Architecture {
  if (process.arch === "x64" || process.arch === "arm64") return process.arch;
  throw new Error(`there is no system call filter for ${process.arch}; sandboxes need x64 or arm64`);
}

function isolation(bwrap: Bwrap, network: Namespace | undefined): string[] {
  return [
    ...["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup"],
    ...(network ? [] : ["--unshare-net"]),
    ...(bwrap.disablesUserns ? ["--disable-userns"] : []),
    ...["--uid", String(inside.uid), "--gid", String(inside.gid), "--hostname", "sandbox"],
    ...["--die-with-parent", "--new-session", "--as-pid-1", "--cap-drop", "ALL"],
    ...["--json-status-fd", "3", "--block-fd", "4", "--seccomp", "5"],
  ];
}

function ownFilesystem(folder: SandboxFolder, spec: SandboxSpec, network: Namespace | undefined): string[] {
  const variables = { ...environment, ...(network && proxyEnvironment) };
  const tmp = ["--size", String(spec.limits.tmp_bytes), "--tmpfs"];
  return [
    ...["--proc", "/proc", "--dev", "/dev", ...tmp, "/dev/shm", "--perms", "1777", ...tmp, "/tmp"],
    ...["--symlink", "/tmp", "/var/tmp", "--dir", "/run", "--dir", "/mnt/session/uploads"],
    ...["--ro-bind", folder.pipes, pipesInside],
    ...["--bind", folder.home, inside.home, "--bind", folder.workspace, "/workspace"],
    ...["--bind", folder.outputs, "/mnt/session/outputs"],
    ...["--ro-bind", folder.tool_results, toolResultsInside, "--remount-ro", "/", "--chdir", "/workspace"],
    ...Object.entries(variables).flatMap(([name, value]) => ["--setenv", name, value]),
  ];
}

const environment = {
  PATH: `${inside.home}/.local/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
  HOME: inside.home,
  USER: inside.user,
  LOGNAME: inside.user,
  SHELL: "/bin/bash",
  LANG: "C.UTF-8",
  TERM: "dumb",
};

/** Arguments of the init program. */
function limitsOf(spec: SandboxSpec, cgroups: Cgroups | null): string[] {
  const kibibytes = (bytes: number) => String(Math.ceil(bytes / 1024));
  return [
    String(spec.limits.processes),
    kibibytes(spec.limits.file_bytes),
    cgroups?.limitsMemory ? "unlimited" : kibibytes(spec.limits.memory_bytes),
  ];
}

async function started(made: {
  id: string;
  child: ChildProcess;
  folder: SandboxFolder;
  cgroup: Cgroup | undefined;
  bwrap: Bwrap;
}): Promise<Sandbox> {
  const { child, cgroup } = made;
  const [commands, answers, errors, status, block] = child.stdio.slice(0, 5).map(duplex);
  if (!commands || !answers || !errors || !status || !block) throw new Error("bwrap has too few pipes");
  let stderr = "";
  errors.on("data", (chunk) => {
    stderr = (stderr + chunk).slice(-stderrBytesKept);
  });
  const init = createInit(commands, answers, pipeSets(made.folder.pipes, made.folder.user), pipesInside);
  const pid = firstPid(status);
  const ended = end(child, init, cgroup);
  block.on("error", () => {});
  status.on("error", () => {});

  async function destroy(): Promise<void> {
    // The first process takes all others with it, and bwrap ends after them; killing bwrap first would not wait.
    const first = await Promise.race([pid, ended]);
    if (first === undefined || !killed(first)) child.kill("SIGKILL");
    await ended;
  }

  const timer = setTimeout(() => child.kill("SIGKILL"), limits.sandbox_start_ms_max);
  const first = await Promise.race([pid, ended]);
  try {
    if (first !== undefined && (cgroup?.add(first) ?? true)) block.end("x");
  } catch (error) {
    await destroy();
    throw error;
  }
  const up = await Promise.race([init.ready.then(() => true), ended.then(() => false)]);
  clearTimeout(timer);
  if (!up) throw new Unavailable(explainFailure(stderr, child, made.bwrap));
  const keepOutput = outputFiles({
    folder: made.folder.tool_results,
    inside: toolResultsInside,
    gid: made.folder.user.gid,
  });
  return { id: made.id, ended, spawn: init.spawn, keepOutput, destroy };
}

/** Host pid of the sandbox's first process. Never resolves when bwrap fails before it has one. */
function firstPid(status: Duplex): Promise<number> {
  return new Promise((resolve) => {
    let text = "";
    status.on("data", (chunk) => {
      text += chunk;
      const found = /"child-pid": *(\d+)/.exec(text);
      if (found) resolve(Number(found[1]));
    });
  });
}

async function end(child: ChildProcess, init: Init, cgroup: Cgroup | undefined): Promise<void> {
  await new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", () => resolve());
  });
  init.end();
  await cgroup?.remove();
}

function duplex(stream: unknown): Duplex {
  if (!(stream instanceof Duplex)) throw new Error("bwrap was started without its pipes");
  return stream;
}

function killed(pid: number): boolean {
  try {
    return process.kill(pid, "SIGKILL");
  } catch {
    return false;
  }
}
