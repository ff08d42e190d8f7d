import { type ChildProcess, spawn } from "node:child_process";
import {
  chmodSync,
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Duplex } from "node:stream";
import { limits } from "../../limits.ts";
import { type Driver, type KeptFolder, type Namespace, type Sandbox, Unavailable } from "../driver.ts";
import { type Image, openImages, unknownImage } from "../images/images.ts";
import { createLayers, type LayersOptions } from "../layers/layers.ts";
import { plainSpec } from "../plain-spec.ts";
import type { SandboxSpec } from "../wire.ts";
import { type BwrapHere, explainFailure, findBwrapHere } from "./bwrap.ts";
import { type Cgroup, findCgroups } from "./cgroups.ts";
import { createDisks } from "./disks.ts";
import { enforcementBy, refusalOf } from "./enforcement.ts";
import { createInit, type Init, initProgram } from "./init.ts";
import {
  become,
  initInside,
  isolation,
  outputsInside,
  ownFilesystem,
  pipesInside,
  toolResultsInside,
} from "./isolation.ts";
import { joining } from "./joining.ts";
import { outputFiles } from "./output-files.ts";
import { pipeSets } from "./pipes.ts";
import { ownProc } from "./proc.ts";
import {
  hostRoot,
  imageRoot,
  inside,
  openFolders,
  ownEtcFiles,
  type Root,
  users,
  writeEtc,
  writeUsers,
} from "./root-filesystem.ts";
import { type SandboxFolder, sandboxFolders, type User } from "./sandbox-folders.ts";
import { architecture, seccompFilter } from "./seccomp.ts";

export interface BubblewrapOptions {
  /** Holds the workspaces. Every user must be able to pass the folders above it. */
  data_dir: string;
  /** Host user ids for sandboxes, one each, when this process is root. */
  uids?: { first: number; count: number };
  layers?: Pick<LayersOptions, "bytes_max" | "unused_ms">;
  installers?: Pick<LayersOptions["fakeRoot"], "host_etc" | "variables">;
  /** Whether the host hands memory dumps to a program; without it, that is looked up. */
  cores_are_piped?: boolean;
}

/** How a sandbox is begun: a program that becomes bwrap, as whom, and with which environment. */
export interface Start {
  command: string;
  args: string[];
  user: User;
  env: Record<string, string>;
}

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
/** The sandbox's first process and those that start others, when a fork bomb has taken the rest. */
const processesToSpare = 32;

/**
 * Sandboxes by bubblewrap: every namespace, a system call filter, no capabilities, the host's /usr read-only. No program
 * in one has host uid 0: under root each sandbox has a uid of its own. `weaken` is for tests alone, which take walls away
 * to see that they are missed.
 */
export function bubblewrap(
  options: BubblewrapOptions,
  weaken: (start: Start) => Start = (start) => start,
): Driver {
  const asRoot = process.getuid?.() === 0;
  const uids = asRoot ? (options.uids ?? defaultUids) : null;
  const disks = createDisks(options.data_dir, { possible: asRoot });
  const folders = sandboxFolders(options.data_dir, uids, disks);
  const cgroups = findCgroups(options.data_dir);
  const images = openImages(options.data_dir);
  const etc = join(options.data_dir, "etc");
  writeEtc(etc);
  const proc = ownProc(etc);
  const filter = join(options.data_dir, "seccomp.bpf");
  writeFileSync(filter, seccompFilter(architecture()));
  // Copied to where the sandboxes' users can reach it, which need not hold for our own folder.
  const program = join(options.data_dir, "init.bash");
  copyFileSync(initProgram, program);
  chmodSync(program, 0o644);

  const coresArePiped = options.cores_are_piped ?? pipesCores();
  const coreGuard = coresArePiped ? noPipedCores : [];
  const enforces = async () => enforcementBy(cgroups, await disks.missing());
  let found: BwrapHere | null = null;

  const bwrapHere = async () => {
    found ??= await findBwrapHere(folders.anyUser());
    return found;
  };
  const layers = createLayers({
    data_dir: options.data_dir,
    fakeRoot: { bwrap: bwrapHere, etc, proc, cgroups, noPipedCores: coreGuard, ...options.installers },
    ...options.layers,
  });

  function imageOf({ image: name }: SandboxSpec): Image | null {
    if (name === null) return null;
    const image = images.find(name);
    if (image) return image;
    throw new Unavailable(unknownImage(name, images.list()));
  }

  function rootOf(spec: SandboxSpec): Root {
    const image = imageOf(spec);
    return layers.rootOf(spec, image) ?? (image ? imageRoot(image) : hostRoot());
  }

  async function provision(id: string, spec: SandboxSpec, network?: Namespace): Promise<Sandbox> {
    const refusal = await refusalOf(spec, enforces);
    if (refusal !== null) throw new Unavailable(refusal);
    const root = rootOf(spec);
    // Where there is none, nothing is begun that would have to be removed.
    const bwrap = await bwrapHere();
    const { folder, release } = await folders.open(id, diskBytesOf(spec));
    try {
      const sandbox = await begin(id, spec, { bwrap, folder, root }, network);
      sandbox.ended.then(release);
      return sandbox;
    } catch (error) {
      release();
      throw error;
    }
  }

  async function begin(
    id: string,
    spec: SandboxSpec,
    { bwrap, folder, root }: { bwrap: BwrapHere; folder: SandboxFolder; root: Root },
    network: Namespace | undefined,
  ): Promise<Sandbox> {
    const { cpu, memory_bytes, processes } = spec.limits;
    const cgroup = cgroups?.create(id, { cpu, memory_bytes, processes: processes + processesToSpare });
    const joined = joining(network, bwrap.way === "user" ? folder.user : {}, root.overlays, [
      ...coreGuard,
      ...[bwrap.path, ...isolation(bwrap, network)],
      ...openFolders([inside.home, initInside, outputsInside]),
      ...[...root.folders, ...ownEtcFiles(etc, network ? "open" : "none"), ...proc],
      ...["--ro-bind", program, initInside, ...usersOf(folder, bwrap, etc)],
      ...ownFilesystem(folder, spec, network, root.env),
      ...[...become(bwrap, folder.user), "bash", "--norc", "--noprofile", initInside],
      ...limitsOf(spec, { cgroup: cgroups?.limits("memory") ?? false, coresArePiped }),
    ]);
    const start = weaken({ ...joined, env: {} });
    const seccomp = openSync(filter, "r");
    const child = spawn(start.command, start.args, {
      ...start.user,
      cwd: "/",
      env: start.env,
      stdio: ["pipe", "pipe", "pipe", "pipe", "pipe", seccomp],
    });
    closeSync(seccomp);
    return started({ id, child, folder, cgroup, bwrap });
  }

  return {
    name: "bubblewrap",
    prepare: (spec, options) => layers.make(spec, imageOf(spec), options),
    provision,
    async describe() {
      const { way } = await bwrapHere();
      const user = asRoot ? ", each with a host user id of its own" : "";
      if (way === "user") return `bubblewrap, in user namespaces${user}`;
      return `bubblewrap, begun by root since this machine forbids user namespaces${user}, and without privileges`;
    },
    enforces,
    forget: (id) => folders.remove(id),
    keptFolders(id) {
      const folder = folders.find(id);
      return folder && keptFolders(folder);
    },
    hold: folders.hold,
    async stage(id, spec) {
      const { path, folder, commit, discard } = await folders.stage(id, diskBytesOf(spec));
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
    async close() {
      await layers.close();
      await disks.close();
    },
  };
}

/** A disk of its own costs more than a folder, and is for the environment that asks for a limit. */
const diskBytesOf = ({ limits: { disk_bytes }, demanded }: SandboxSpec): number | null =>
  demanded.includes("disk_bytes") ? disk_bytes : null;

function keptFolders({ workspace, home, outputs, tool_results, user }: SandboxFolder): KeptFolder[] {
  const { uid, gid } = user;
  const owner = uid === undefined || gid === undefined ? null : { uid, gid };
  return [
    { name: "workspace", path: workspace, inside: "/workspace", owner },
    { name: "home", path: home, inside: inside.home, owner },
    { name: "outputs", path: outputs, inside: outputsInside, owner },
    {
      name: "tool_results",
      path: tool_results,
      inside: toolResultsInside,
      owner: owner && { uid: process.getuid?.() ?? 0, gid: owner.gid },
    },
  ];
}

/** Where it does not begin in a user namespace, the sandbox knows itself by its user id on the host. */
function usersOf({ etc, user: { uid, gid } }: SandboxFolder, { way }: BwrapHere, shared: string): string[] {
  if (way === "user" || uid === undefined || gid === undefined) return users(shared);
  mkdirSync(etc, { recursive: true, mode: 0o755 });
  writeUsers(etc, { uid, gid });
  return users(etc);
}

/** Arguments of the init program. */
function limitsOf({ limits: each }: SandboxSpec, by: { cgroup: boolean; coresArePiped: boolean }): string[] {
  const kibibytes = (bytes: number) => String(Math.ceil(bytes / 1024));
  return [
    String(each.processes),
    kibibytes(each.file_bytes),
    by.cgroup ? "unlimited" : kibibytes(each.memory_bytes),
    by.coresArePiped ? "" : "0",
    ...[limits.sandbox_open_files, limits.sandbox_open_files_max, limits.sandbox_oom_score].map(String),
  ];
}

/** Where the host hands memory dumps to a program of its own, that runs as root there whatever the limit is, this one excepted. */
const noPipedCores = ["/usr/bin/prlimit", "--core=1:1"];
const pipesCores = () => readFileSync("/proc/sys/kernel/core_pattern", "utf8").startsWith("|");

/** Where memory is short the kernel ends a sandbox before a server. Written by root, no sandbox takes it back. */
function makeVictim(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, String(limits.sandbox_oom_score));
  } catch (error) {
    // It is gone; or it is not root's to say, and the sandbox's first process says it of itself.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOENT" && code !== "ESRCH" && code !== "EACCES" && code !== "EPERM") throw error;
  }
}

async function started(made: {
  id: string;
  child: ChildProcess;
  folder: SandboxFolder;
  cgroup: Cgroup | undefined;
  bwrap: BwrapHere;
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
    cgroup?.kill();
    await ended;
  }

  const timer = setTimeout(() => child.kill("SIGKILL"), limits.sandbox_start_ms_max);
  const first = await Promise.race([pid, ended]);
  try {
    if (first !== undefined) makeVictim(first);
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
