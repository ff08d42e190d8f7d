import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, chownSync, copyFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { limits } from "../../../limits.ts";
import { type Driver, type Enforcement, type Namespace, type Sandbox, Unavailable } from "../../driver.ts";
import { removeTree } from "../../remove-tree.ts";
import type { SandboxSpec } from "../../wire.ts";
import { type BwrapHere, findBwrapHere } from "../bwrap.ts";
import { type Cgroup, type Cgroups, findCgroups } from "../cgroups.ts";
import { noPipedCores, pipesCores } from "../cores.ts";
import { enforcementBy } from "../enforcement.ts";
import { duplex, lastSaid } from "../first-process.ts";
import { type Begin, defaultUids, folderDriver, type UserIds } from "../folder-driver.ts";
import { becomeInside } from "../host-setpriv.ts";
import { createInit, initProgram } from "../init.ts";
import { initInside, mountsOf, outputsInside, pipesInside, toolResultsInside } from "../isolation.ts";
import { joining } from "../joining.ts";
import { outputFiles } from "../output-files.ts";
import { pipeSets } from "../pipes.ts";
import { etcOf, inside, type Root } from "../root-filesystem.ts";
import { createRoots } from "../roots.ts";
import type { SandboxFolder } from "../sandbox-folders.ts";
import { trustOf, writeTrust } from "../trust.ts";
import { variablesOf } from "../variables.ts";
import { prepareBecome } from "./become.ts";
import { type Bundle, type Keepers, userMap, writeBundle } from "./bundle.ts";
import { heldAroundGvisor } from "./held.ts";
import { nothing, ofMemory, type Parts, readBwrapArguments, readOnly, readWrite } from "./mounts.ts";
import { findRunsc, type Runsc } from "./runsc.ts";

export interface GvisorOptions {
  /** Holds the workspaces. Every user must be able to pass the folders above it. */
  data_dir: string;
  /** Host user ids for sandboxes, one each; twice as many behind them are for gVisor's own processes. */
  uids?: UserIds;
  installers?: { variables?: Readonly<Record<string, string>> };
}

/**
 * Sandboxes by gVisor: a kernel of its own for each, outside which their programs make no system call. All of it, gVisor
 * included, runs in a user namespace as users of the host that nobody else is.
 */
export function gvisor(options: GvisorOptions): Driver {
  const { data_dir } = options;
  const range = options.uids ?? defaultUids;
  const uids = process.getuid?.() === 0 ? range : null;
  const cgroups = findCgroups(data_dir);
  const bundles = join(data_dir, "gvisor");
  // Of sandboxes that have ended with the process that began them.
  rmSync(bundles, { recursive: true, force: true });
  mkdirSync(bundles, { recursive: true });
  chmodSync(bundles, 0o711);
  let bwrap: BwrapHere | null = null;
  const fakeRoot = {
    async bwrap() {
      bwrap ??= await findBwrapHere({ uid: range.first, gid: range.first });
      return bwrap;
    },
    cgroups,
    noPipedCores: pipesCores() ? noPipedCores : [],
    ...options.installers,
  };
  const roots = createRoots({ data_dir, fakeRoot });
  const { etc } = roots;
  const program = join(data_dir, "init.bash");
  copyFileSync(initProgram, program);
  chmodSync(program, 0o644);
  const becomeFolder = join(data_dir, "become");
  let found: Runsc | null = null;
  let become: string[] | null = null;

  const keepersOf = (uid: number): Keepers => {
    const root = range.first + range.count + 2 * (uid - range.first);
    return { root, nobody: root + 1 };
  };

  function partsOf(spec: SandboxSpec, root: Root, folder: SandboxFolder, network?: Namespace): Parts {
    const { tmp_bytes } = spec.limits;
    const { credentials } = spec;
    const own = [
      ...root.folders,
      ...etcOf(root, etc, network ? "open" : "none"),
      ...["--ro-bind", program, initInside],
    ];
    const trusted = credentials ? writeTrust(folder.trust, credentials.certificate, trustOf(root, own)) : [];
    const parts = readBwrapArguments(own);
    parts.folders.push("/dev", "/proc");
    parts.mounts.push(
      nothing("/sys"),
      ...[ofMemory("/dev/shm", tmp_bytes), ofMemory("/tmp", tmp_bytes)],
      readOnly(becomeFolder, becomeInside),
      // Its folder is closed to all but the first process. Where it is read-only nobody can write into its pipes.
      readWrite(folder.pipes, pipesInside),
      ...[readWrite(folder.home, inside.home), readWrite(folder.workspace, "/workspace")],
      ...[readWrite(folder.outputs, outputsInside), readOnly(folder.tool_results, toolResultsInside)],
      ...[...mountsOf(folder), ...trusted].map(({ source, inside }) => readOnly(source, inside)),
    );
    return parts;
  }

  async function plan(spec: SandboxSpec): Promise<Begin> {
    if (uids === null)
      throw new Unavailable("gVisor needs `drover hands` to be root, for the users of sandboxes");
    found ??= await findRunsc();
    become ??= await prepareBecome(becomeFolder);
    const [runsc, before] = [found, become];
    const root = roots.of(spec);
    return async (id, folder, network) => {
      const { uid, gid } = folder.user;
      if (uid === undefined || gid === undefined) throw new Error("the sandbox has no user of its own");
      const keepers = keepersOf(uid);
      chownSync(folder.pipes, keepers.root, keepers.root);
      const cgroup = cgroups?.create(id, { cpu: spec.limits.cpu, ...heldAroundGvisor(spec) });
      const path = join(bundles, id);
      rmSync(path, { recursive: true, force: true });
      const bundle = writeBundle(path, {
        parts: partsOf(spec, root, folder, network),
        argv: ["/bin/bash", "--norc", "--noprofile", initInside, ...limitsOf(spec), ...before],
        env: variablesOf(spec, root.env, network),
        keepers,
      });
      // What the host writes for the sandbox can be read by its group.
      const user = { uid: keepers.root, gid };
      // Without one it has a network of its own too, for the socket over which gVisor's processes speak to each other.
      const apart = ["unshare", "--user", ...(network ? [] : ["--net"]), "--"];
      const argv = [...apart, "sh", "-c", gate, "sh", ...runArguments(runsc, bundle, network)];
      const start = joining(network, user, root.overlays, argv);
      const child = spawn(start.command, start.args, {
        ...start.user,
        cwd: "/",
        env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
        stdio: ["pipe", "pipe", "pipe", "pipe", "pipe"],
      });
      return started({ id, child, folder, cgroup, bundle, keepers, user: { uid, gid } });
    };
  }

  return folderDriver({
    data_dir,
    uids,
    name: "gvisor",
    async describe() {
      found ??= await findRunsc();
      return `gVisor ${found.version} (${found.platform}), each sandbox with host user ids of its own`;
    },
    enforces: async (disk) => enforcement(cgroups, disk),
    prepare: roots.prepare,
    plan,
    close: roots.close,
  });
}

function enforcement(cgroups: Cgroups | null, disk: string | null): Enforcement {
  const all = enforcementBy(cgroups, disk);
  const { memory_bytes: memory } = all;
  return {
    ...all,
    memory_bytes:
      memory.scope === "sandbox"
        ? { ...memory, ends: true }
        : { scope: "none", needs: memory.scope === "none" ? memory.needs : "cgroups" },
    processes: { scope: "sandbox", by: "gVisor's rlimit" },
  };
}

/** Waits until its user namespace has users and its cgroup has it, and ends with the host. */
const gate = 'echo here >&3; read -r go <&4 || exit 1; exec setpriv --pdeathsig=KILL -- "$@" 3>&- 4<&-';

function runArguments(
  { path, platform, flags }: Runsc,
  bundle: Bundle,
  network: Namespace | undefined,
): string[] {
  // In the namespace that it has been begun in, of which it can change nothing; else a loopback of gVisor's own.
  const way = network ? "host" : "none";
  return [
    ...[path, `--root=${bundle.state}`, `--platform=${platform}`, `--network=${way}`, ...flags],
    ...["run", `--bundle=${bundle.path}`, "sandbox"],
  ];
}

/** Arguments of the init program. */
function limitsOf({ limits: each }: SandboxSpec): string[] {
  return [
    String(each.processes),
    String(Math.ceil(each.file_bytes / 1024)),
    "unlimited",
    "0",
    ...[limits.sandbox_open_files, limits.sandbox_open_files_max, limits.sandbox_oom_score].map(String),
  ];
}

async function started(made: {
  id: string;
  child: ChildProcess;
  folder: SandboxFolder;
  cgroup: Cgroup | undefined;
  bundle: Bundle;
  keepers: Keepers;
  user: { uid: number; gid: number };
}): Promise<Sandbox> {
  const { id, child, folder, cgroup, keepers, user } = made;
  const [commands, answers, errors, here, go] = child.stdio.slice(0, 5).map(duplex);
  if (!commands || !answers || !errors || !here || !go) throw new Error("runsc has too few pipes");
  const said = lastSaid(errors);
  const pipes = pipeSets(folder.pipes, { uid: keepers.root, gid: keepers.root });
  const init = createInit(commands, answers, pipes, pipesInside);
  const ended = (async () => {
    await new Promise<void>((resolve) => {
      child.once("exit", () => resolve());
      child.once("error", () => resolve());
    });
    init.end();
    // gVisor's other processes go with that one, a moment later.
    await cgroup?.remove();
    await removeTree(made.bundle.path);
  })();
  for (const stream of [here, go]) stream.on("error", () => {});

  async function destroy(): Promise<void> {
    child.kill("SIGKILL");
    cgroup?.kill();
    await ended;
  }

  const timer = setTimeout(() => child.kill("SIGKILL"), limits.sandbox_start_ms_max);
  const isHere = new Promise<true>((resolve) => here.once("data", () => resolve(true)));
  try {
    const { pid } = child;
    if ((await Promise.race([isHere, ended])) && pid !== undefined) {
      writeFileSync(`/proc/${pid}/uid_map`, userMap(user.uid, keepers.root, keepers.nobody));
      writeFileSync(`/proc/${pid}/gid_map`, userMap(user.gid, keepers.root, keepers.nobody));
      writeFileSync(`/proc/${pid}/oom_score_adj`, String(limits.sandbox_oom_score));
      if (cgroup?.add(pid) ?? true) go.end("go\n");
    }
  } catch (error) {
    await destroy();
    throw error;
  }
  const up = await Promise.race([init.ready.then(() => true), ended.then(() => false)]);
  clearTimeout(timer);
  if (!up) throw new Unavailable(`no sandbox could be started (${(await said.whole()) || endOf(child)})`);
  const keepOutput = outputFiles({ folder: folder.tool_results, inside: toolResultsInside, gid: user.gid });
  return { id, ended, spawn: init.spawn, keepOutput, destroy };
}

const endOf = ({ exitCode, signalCode }: ChildProcess) =>
  `it ended with ${exitCode ?? signalCode ?? "no process"}`;
