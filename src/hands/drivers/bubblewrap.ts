import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, closeSync, copyFileSync, mkdirSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { limits } from "../../limits.ts";
import { type Driver, type Namespace, type Sandbox, Unavailable } from "../driver.ts";
import type { LayersOptions } from "../layers/layers.ts";
import { mountRoots, type SandboxSpec } from "../wire.ts";
import { type BwrapHere, explainFailure, findBwrapHere } from "./bwrap.ts";
import { type Cgroup, findCgroups } from "./cgroups.ts";
import { noPipedCores, pipesCores } from "./cores.ts";
import { withDescriptorsUpTo } from "./descriptors.ts";
import { enforcementBy } from "./enforcement.ts";
import { duplex, firstPid, killed, lastSaid, makeVictim } from "./first-process.ts";
import { type Begin, defaultUids, folderDriver, type UserIds } from "./folder-driver.ts";
import { becomeInside, copySetpriv } from "./host-setpriv.ts";
import { createInit, type Init, initProgram } from "./init.ts";
import {
  become,
  descriptors,
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
import { etcOf, inside, openFolders, type Root, users, writeUsers } from "./root-filesystem.ts";
import { createRoots } from "./roots.ts";
import type { SandboxFolder, User } from "./sandbox-folders.ts";
import { architecture, seccompFilter } from "./seccomp.ts";
import { trustOf, writeTrust } from "./trust.ts";
import { variablesOf } from "./variables.ts";

export interface BubblewrapOptions {
  /** Holds the workspaces. Every user must be able to pass the folders above it. */
  data_dir: string;
  /** Host user ids for sandboxes, one each, when this process is root. */
  uids?: UserIds;
  layers?: Pick<LayersOptions, "bytes_max" | "unused_ms">;
  installers?: Pick<LayersOptions["fakeRoot"], "host_etc" | "variables" | "disk">;
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
  /** One such as sandboxes run as, be it no sandbox's. */
  const anyUser: User = uids ? { uid: uids.first, gid: uids.first } : {};
  const cgroups = findCgroups(options.data_dir);
  const coresArePiped = options.cores_are_piped ?? pipesCores();
  const coreGuard = coresArePiped ? noPipedCores : [];
  const becomeFolder = join(options.data_dir, "become");
  let found: BwrapHere | null = null;
  let setpriv: string[] | null = null;
  const bwrapHere = async () => {
    found ??= await findBwrapHere(anyUser);
    return found;
  };
  const fakeRoot = { bwrap: bwrapHere, cgroups, noPipedCores: coreGuard, weaken, ...options.installers };
  const roots = createRoots({ data_dir: options.data_dir, fakeRoot, layers: options.layers });
  const { etc, proc } = roots;
  const filter = join(options.data_dir, "seccomp.bpf");
  writeFileSync(filter, seccompFilter(architecture()));
  // Copied to where the sandboxes' users can reach it, which need not hold for our own folder.
  const program = join(options.data_dir, "init.bash");
  copyFileSync(initProgram, program);
  chmodSync(program, 0o644);

  async function plan(spec: SandboxSpec): Promise<Begin> {
    const root = roots.of(spec);
    const bwrap = await bwrapHere();
    if (bwrap.way === "root") setpriv ??= await copySetpriv(becomeFolder);
    return (id, folder, network) => begin(id, spec, { bwrap, folder, root }, network);
  }

  async function begin(
    id: string,
    spec: SandboxSpec,
    { bwrap, folder, root }: { bwrap: BwrapHere; folder: SandboxFolder; root: Root },
    network: Namespace | undefined,
  ): Promise<Sandbox> {
    const { cpu, memory_bytes, processes } = spec.limits;
    const cgroup = cgroups?.create(id, { cpu, memory_bytes, processes: processes + processesToSpare });
    const rootArguments = [...root.folders, ...etcOf(root, etc, network ? "open" : "none")];
    const trusted = spec.credentials
      ? writeTrust(folder.trust, spec.credentials.certificate, trustOf(root, rootArguments))
      : [];
    const joined = joining(network, bwrap.way === "user" ? folder.user : {}, root.overlays, [
      ...[...(root.isHosts ? [] : withDescriptorsUpTo(descriptors.seccomp)), ...coreGuard],
      ...[bwrap.path, ...isolation(bwrap, network)],
      ...openFolders([inside.home, initInside, outputsInside, ...Object.values(mountRoots)]),
      ...(setpriv ? ["--ro-bind", becomeFolder, becomeInside] : []),
      ...[...rootArguments, ...proc],
      ...["--ro-bind", program, initInside, ...usersOf(folder, bwrap)],
      ...ownFilesystem(folder, spec, trusted, variablesOf(spec, root.env, network)),
      // By its path: programs that the sandbox has put into its own folders do not begin it.
      ...[...(setpriv ? become(setpriv, folder.user) : []), "/bin/bash", "--norc", "--noprofile", initInside],
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

  return folderDriver({
    data_dir: options.data_dir,
    uids,
    name: "bubblewrap",
    async describe() {
      const { way } = await bwrapHere();
      const user = asRoot ? ", each with a host user id of its own" : "";
      if (way === "user") return `bubblewrap, in user namespaces${user}`;
      return `bubblewrap, begun by root since this machine forbids user namespaces${user}, and without privileges`;
    },
    enforces: async (disk) => enforcementBy(cgroups, disk),
    prepare: roots.prepare,
    plan,
    close: roots.close,
  });
}

/** Where it does not begin in a user namespace, the sandbox knows itself by its user id on the host. */
function usersOf({ etc, user: { uid, gid } }: SandboxFolder, { way }: BwrapHere): string[] {
  if (way === "user" || uid === undefined || gid === undefined) return [];
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
  const said = lastSaid(errors);
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
  if (!up) throw new Unavailable(explainFailure(await said.whole(), child, made.bwrap));
  const keepOutput = outputFiles({
    folder: made.folder.tool_results,
    inside: toolResultsInside,
    gid: made.folder.user.gid,
  });
  return { id: made.id, ended, spawn: init.spawn, keepOutput, destroy };
}

async function end(child: ChildProcess, init: Init, cgroup: Cgroup | undefined): Promise<void> {
  await new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", () => resolve());
  });
  init.end();
  await cgroup?.remove();
}
