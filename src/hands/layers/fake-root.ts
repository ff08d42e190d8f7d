import { spawn } from "node:child_process";
import { closeSync } from "node:fs";
import { limits } from "../../limits.ts";
import { type Namespace, Unavailable } from "../driver.ts";
import type { Start } from "../drivers/bubblewrap.ts";
import type { BwrapHere } from "../drivers/bwrap.ts";
import type { Cgroups } from "../drivers/cgroups.ts";
import { withDescriptorsUpTo } from "../drivers/descriptors.ts";
import { duplex, firstPid, killed, makeVictim } from "../drivers/first-process.ts";
import { joining, type Overlay } from "../drivers/joining.ts";
import { ownEtcFile } from "../drivers/root-filesystem.ts";
import type { User } from "../drivers/sandbox-folders.ts";
import { openFilter } from "../drivers/seccomp-file.ts";
import { systemPath } from "../drivers/variables.ts";
import type { Image } from "../images/images.ts";
import { lastWords } from "../last-words.ts";
import { proxyEnvironment } from "../network/inside.ts";
import { readSlowly } from "../read-slowly.ts";
import { hostWithLayer, type LayerFolders } from "./layer.ts";
import { installerVariables } from "./managers.ts";
import { checkMountPoints } from "./mount-points.ts";
import { type DiskBounds, diskBounds, watchDisk } from "./watch-disk.ts";

/** What of this machine it takes. */
export interface FakeRoot {
  bwrap(): Promise<BwrapHere>;
  /** Where the files are that all sandboxes have in /etc. */
  etc: string;
  /** Arguments of bwrap for /proc. */
  proc: string[];
  cgroups: Cgroups | null;
  /** What begins a program that must not hand its memory to one of the host's; nothing where none could. */
  noPipedCores: string[];
  /** Of the host; the usual place without it. */
  host_etc?: string;
  /** For package managers, beside their usual ones: where their registries are, and the like. */
  variables?: Readonly<Record<string, string>>;
  disk?: Partial<DiskBounds>;
  /** For tests alone, which take walls away to see that they are missed. */
  weaken?(start: Start): Start;
}

export interface FakeRootRun {
  layer: LayerFolders;
  overlay: Overlay;
  image: Image | null;
  tmp: string;
  user: User;
  network: Namespace | undefined;
  signal: AbortSignal;
  /** For bash, and its arguments. */
  script: string;
  names: readonly string[];
  onLine(line: string): void;
}

/** `why`: it was ended from outside, or has left behind more than it may. */
export type FakeRootEnd = { code: number | null; said: string; why: string | null };

const descriptors = { filter: 3, block: 4, status: 5 } as const;

/**
 * Runs a script in a sandbox as its root, who is nobody on the host: the one user there is, to whom everything that is
 * installed belongs. To give something to another user succeeds, and does nothing. When it resolves, nothing that the
 * script has begun runs any more.
 */
export async function runAsFakeRoot(run: FakeRootRun, here: FakeRoot): Promise<FakeRootEnd> {
  const bwrap = await here.bwrap();
  if (bwrap.way === "root")
    throw new Unavailable("packages can be installed only on a sandbox host that allows user namespaces");
  checkMountPoints(run.layer, run.image);
  const joined = joining(
    run.network,
    run.user,
    [run.overlay],
    [
      ...[
        ...withDescriptorsUpTo(descriptors.status),
        ...here.noPipedCores,
        bwrap.path,
        ...isolation(bwrap, run),
      ],
      ...filesystem(run, here),
      ...Object.entries(variablesOf(run, here)).flatMap(([name, value]) => ["--setenv", name, value]),
      ...["bash", "-c", first(here), run.script, ...run.names],
    ],
  );
  const start: Start = { ...joined, env: { PATH: systemPath } };
  const { command, args, user, env } = here.weaken?.(start) ?? start;
  const filter = openFilter({ fakeRoot: true });
  const child = spawn(command, args, {
    ...user,
    ...{ cwd: "/", env },
    stdio: ["ignore", "pipe", "pipe", filter, "pipe", "pipe"],
  });
  closeSync(filter);
  const [block, status] = child.stdio.slice(descriptors.block).map(duplex);
  if (!block || !status) throw new Error("bwrap was started without its pipes");
  for (const each of [block, status]) each.on("error", () => {});
  const closed = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  const words = lastWords(run.onLine);
  for (const stream of [child.stdout, child.stderr]) if (stream) readSlowly(stream, words.write);
  let first_pid: number | null = null;
  let why: string | null = null;
  const end = (reason: string) => {
    why ??= reason;
    if (first_pid === null || !killed(first_pid)) child.kill("SIGKILL");
  };
  const stop = () =>
    end(String(run.signal.reason instanceof Error ? run.signal.reason.message : "it was ended"));
  run.signal.addEventListener("abort", stop);
  if (run.signal.aborted) stop();
  const { memory_bytes, processes } = buildBounds;
  const cgroup = here.cgroups?.create(`layer_${child.pid}`, { cpu: null, memory_bytes, processes });
  const disk = watchDisk([run.layer.upper, run.tmp], { ...diskBounds, ...here.disk }, end);
  try {
    first_pid = await Promise.race([firstPid(status), closed.then(() => null)]);
    if (first_pid !== null) {
      makeVictim(first_pid);
      // It waits until its limits are there.
      if (why === null && (cgroup?.add(first_pid) ?? true)) block.end("x");
      else end("it was ended");
    }
    const code = await closed;
    why ??= await disk.stop();
    return { code: why === null ? code : null, said: words.said(), why };
  } finally {
    await disk.stop();
    run.signal.removeEventListener("abort", stop);
    await cgroup?.remove();
  }
}

function isolation({ disablesUserns }: BwrapHere, { network }: FakeRootRun): string[] {
  const { filter, block, status } = descriptors;
  return [
    ...["--unshare-user", "--uid", "0", "--gid", "0", ...(disablesUserns ? ["--disable-userns"] : [])],
    ...["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup"],
    ...(network ? [] : ["--unshare-net"]),
    ...["--hostname", "sandbox", "--die-with-parent", "--new-session", "--as-pid-1", "--cap-drop", "ALL"],
    // Over what is its own, whatever its mode.
    ...["DAC_OVERRIDE", "FOWNER", "FSETID"].flatMap((name) => ["--cap-add", `CAP_${name}`]),
    ...["--seccomp", String(filter), "--block-fd", String(block), "--json-status-fd", String(status)],
  ];
}

function filesystem({ layer, image, network, tmp }: FakeRootRun, { etc, proc }: FakeRoot): string[] {
  const inMemory = (path: string, mode: string) => [
    ...["--perms", mode, "--size", String(limits.sandbox_tmp_bytes), "--tmpfs", path],
  ];
  return [
    // What is beside the folders of a layer over the host's is not kept.
    ...(image
      ? ["--bind", layer.root, "/"]
      : [...inMemory("/", "0755"), ...hostWithLayer(layer, "--bind"), "--dir", "/root"]),
    ...["hosts", "resolv.conf"].flatMap((name) => ownEtcFile(etc, name, network ? "open" : "none")),
    // Its own folder has no size.
    ...[...proc, "--dev", "/dev", "--remount-ro", "/dev", ...inMemory("/dev/shm", "1777")],
    ...[...inMemory("/run", "0755"), "--bind", tmp, "/tmp", "--chdir", "/"],
  ];
}

function variablesOf({ image, network }: FakeRootRun, here: FakeRoot): Record<string, string> {
  const { PATH = systemPath, ...ofImage } = image?.env ?? {};
  return {
    ...installerVariables,
    ...ofImage,
    ...here.variables,
    ...{ HOME: "/root", PATH },
    ...(network && proxyEnvironment),
  };
}

/** The first program, with whose end all others end. Memory is that of each process, where it cannot be limited as a whole. */
function first({ cgroups, noPipedCores }: FakeRoot): string {
  const bounds = [
    `-u ${buildBounds.processes}`,
    `-f ${limits.layer_file_bytes_max / 1024}`,
    ...(noPipedCores.length === 0 ? ["-c 0"] : []),
    ...(cgroups?.limits("memory") ? [] : [`-d ${buildBounds.memory_bytes / 1024}`]),
  ];
  return `ulimit ${bounds.join(" ")} || exit; exec 2>&1; bash -c "$0" install "$@"; exit $?`;
}

const buildBounds = { memory_bytes: limits.layer_memory_bytes, processes: limits.layer_processes };
