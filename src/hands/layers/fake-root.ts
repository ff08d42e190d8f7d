import { spawn } from "node:child_process";
import { closeSync } from "node:fs";
import type { Writable } from "node:stream";
import { limits } from "../../limits.ts";
import { type Namespace, Unavailable } from "../driver.ts";
import type { BwrapHere } from "../drivers/bwrap.ts";
import type { Cgroups } from "../drivers/cgroups.ts";
import { systemPath } from "../drivers/isolation.ts";
import { joining, type Overlay } from "../drivers/joining.ts";
import { ownEtcFile } from "../drivers/root-filesystem.ts";
import type { User } from "../drivers/sandbox-folders.ts";
import { openFilter } from "../drivers/seccomp-file.ts";
import type { Image } from "../images/images.ts";
import { lastWords } from "../last-words.ts";
import { proxyEnvironment } from "../network/inside.ts";
import { folderBytes } from "./finish-layer.ts";
import { hostWithLayer, type LayerFolders } from "./layer.ts";
import { installerVariables } from "./managers.ts";

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

/** `why`: it was ended from outside. */
export type FakeRootEnd = { code: number | null; said: string; why: string | null };

const descriptors = { filter: 3, block: 4 } as const;

/**
 * Runs a script in a sandbox as its root, who is nobody on the host: the one user there is, to whom everything that is
 * installed belongs. To give something to another user succeeds, and does nothing.
 */
export async function runAsFakeRoot(run: FakeRootRun, here: FakeRoot): Promise<FakeRootEnd> {
  const bwrap = await here.bwrap();
  if (bwrap.way === "root")
    throw new Unavailable("packages can be installed only on a sandbox host that allows user namespaces");
  const { PATH = systemPath, ...ofImage } = run.image?.env ?? {};
  const variables = {
    ...installerVariables,
    ...ofImage,
    ...here.variables,
    ...{ HOME: "/root", PATH },
    ...(run.network && proxyEnvironment),
  };
  const start = joining(
    run.network,
    run.user,
    [run.overlay],
    [
      ...here.noPipedCores,
      bwrap.path,
      ...["--unshare-user", "--uid", "0", "--gid", "0", "--unshare-pid", "--unshare-ipc", "--unshare-uts"],
      ...["--unshare-cgroup", ...(run.network ? [] : ["--unshare-net"])],
      ...["--hostname", "sandbox", "--die-with-parent", "--new-session", "--cap-drop", "ALL"],
      ...["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID"].flatMap((name) => ["--cap-add", `CAP_${name}`]),
      ...["--seccomp", String(descriptors.filter), "--block-fd", String(descriptors.block)],
      ...(run.image
        ? ["--bind", run.layer.root, "/"]
        : [...hostWithLayer(run.layer, "--bind"), "--dir", "/root"]),
      ...["hosts", "resolv.conf"].flatMap((name) =>
        ownEtcFile(here.etc, name, run.network ? "open" : "none"),
      ),
      ...[...here.proc, "--dev", "/dev", "--tmpfs", "/run", "--bind", run.tmp, "/tmp", "--chdir", "/"],
      ...Object.entries(variables).flatMap(([name, value]) => ["--setenv", name, value]),
      ...["bash", "-c", `${limitedBy(here)}\nexec 2>&1\n${run.script}`, "install", ...run.names],
    ],
  );
  const filter = openFilter({ fakeRoot: true });
  const child = spawn(start.command, start.args, {
    ...start.user,
    cwd: "/",
    env: { PATH: systemPath },
    stdio: ["ignore", "pipe", "pipe", filter, "pipe"],
  });
  closeSync(filter);
  const words = lastWords(run.onLine);
  child.stdout?.on("data", words.write);
  child.stderr?.on("data", words.write);
  let why: string | null = null;
  const end = (reason: string) => {
    why ??= reason;
    child.kill("SIGKILL");
  };
  const stop = () =>
    end(String(run.signal.reason instanceof Error ? run.signal.reason.message : "it was ended"));
  run.signal.addEventListener("abort", stop);
  if (run.signal.aborted) stop();
  const { memory_bytes, processes } = buildBounds;
  const cgroup = here.cgroups?.create(`layer_${child.pid}`, { cpu: null, memory_bytes, processes });
  const watching = watchBytes(run, end);
  try {
    const block = child.stdio[descriptors.block] as Writable | null;
    block?.on("error", () => {});
    if (child.pid !== undefined) cgroup?.add(child.pid);
    block?.end("x");
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", resolve);
    });
    return { code, said: words.said(), why };
  } finally {
    clearInterval(watching);
    run.signal.removeEventListener("abort", stop);
    await cgroup?.remove();
  }
}

/** Memory is that of each process, where it cannot be limited as a whole. */
function limitedBy({ cgroups, noPipedCores }: FakeRoot): string {
  const { memory_bytes, processes } = buildBounds;
  const memory = cgroups?.limits("memory") ? "" : `-d ${memory_bytes / 1024}`;
  return `ulimit -u ${processes} ${noPipedCores.length === 0 ? "-c 0" : ""} ${memory} || exit`;
}

const buildBounds = { memory_bytes: limits.layer_memory_bytes, processes: limits.layer_processes };

/** What it writes is on the host's disk. */
function watchBytes({ layer, tmp, user }: FakeRootRun, end: (why: string) => void): NodeJS.Timeout {
  return setInterval(async () => {
    const bytes = (await folderBytes(layer.upper, user)) + (await folderBytes(tmp, user));
    if (bytes > limits.layer_bytes_max)
      end(`it needs more than ${limits.layer_bytes_max / 2 ** 30} GiB of the host's disk`);
  }, limits.layer_bytes_watch_ms).unref();
}
