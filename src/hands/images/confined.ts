import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, openSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { limits } from "../../limits.ts";
import { readLines } from "../../net/lines.ts";
import { findBwrap } from "../drivers/bwrap.ts";
import { become } from "../drivers/isolation.ts";
import { hostPrograms, openFolders } from "../drivers/root-filesystem.ts";
import type { User } from "../drivers/sandbox-folders.ts";
import { openFilter } from "../drivers/seccomp-file.ts";
import type { Said } from "./archive/process.ts";

const said = z.discriminatedUnion("type", [
  z.object({ type: z.literal("layer"), n: z.int(), of: z.int(), bytes: z.int() }),
  z.object({ type: z.literal("bytes"), count: z.int() }),
  z.object({ type: z.literal("finishing") }),
  z.object({
    type: z.literal("done"),
    files: z.int(),
    bytes: z.int(),
    digest: z.string().nullable(),
    env: z.array(z.string()),
    left_out: z.int(),
  }),
  z.object({ type: z.literal("failed"), message: z.string() }),
]) satisfies z.ZodType<Said>;
export type Done = Extract<Said, { type: "done" }>;

export interface ConfinedOptions {
  job: "unpack" | "finish";
  /** Of `unpack`. Opened here, for the user could perhaps not do so. */
  archive?: string;
  rootfs: string;
  /** To whom everything in the root filesystem belongs, and as whom the program runs. */
  user: User;
  onSaid(said: Exclude<Said, Done>): void;
  signal: AbortSignal;
}

const program = "/run/drover/src/hands/images/archive/process.ts";
const authorities = "/etc/ssl/certs/ca-certificates.crt";
const places = { rootfs: "/run/rootfs", node: "/run/drover/node" };
const stderrCharsKept = 2_000;

/**
 * Works on a root filesystem in a sandbox that sees it, the archive, and nothing else that is not the host's programs: what
 * is in an archive may have been made to do harm.
 */
export async function confined({
  job,
  archive,
  rootfs,
  user,
  onSaid,
  signal,
}: ConfinedOptions): Promise<Done> {
  const bwrap = await findBwrap();
  const asRoot = user.uid !== undefined;
  const sources = join(import.meta.dirname, "..", "..");
  const zod = dirname(fileURLToPath(import.meta.resolve("zod/package.json")));
  const shown: [string, string][] = [
    [process.execPath, places.node],
    [sources, "/run/drover/src"],
    [zod, "/run/drover/node_modules/zod"],
    [join(sources, "..", "package.json"), "/run/drover/package.json"],
    ...(existsSync(authorities) ? [[authorities, authorities] satisfies [string, string]] : []),
  ];
  const file = archive === undefined ? null : openSync(archive, "r");
  const filter = openFilter();
  const child: ChildProcess = spawn(
    bwrap.path,
    [
      ...["--cap-drop", "ALL"],
      ...(asRoot ? ["SETUID", "SETGID", "SETPCAP"].flatMap(added) : ["--unshare-user"]),
      ...["--unshare-net", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup"],
      ...["--die-with-parent", "--new-session", "--seccomp", "3"],
      ...openFolders([...shown.map(([, inside]) => inside), `${places.rootfs}/x`]),
      ...[...hostPrograms(), "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"],
      ...shown.flatMap(([path, inside]) => ["--ro-bind", path, inside]),
      ...["--bind", rootfs, places.rootfs, "--remount-ro", "/", "--chdir", "/"],
      ...[
        ...(asRoot ? become(["setpriv"], user) : []),
        places.node,
        `--max-old-space-size=${limits.image_heap_mb}`,
        program,
      ],
      ...[job, places.rootfs, authorities],
    ],
    {
      env: { PATH: "/usr/bin:/bin" },
      cwd: "/",
      stdio: ["ignore", "pipe", "pipe", filter, file ?? "ignore"],
      detached: true,
      signal,
    },
  );
  // Until bwrap's inner process is set up it would outlive the outer one, waiting for it; it is of the same group.
  const endAll = () => {
    if (child.pid !== undefined) endGroup(child.pid);
  };
  signal.addEventListener("abort", endAll);
  closeSync(filter);
  if (file !== null) closeSync(file);
  let last: Said | null = null;
  let stderr = "";
  if (!child.stdout) throw new Error("a program was started without its output");
  readLines(child.stdout, limits.image_line_bytes_max, {
    line(text) {
      last = said.parse(JSON.parse(text));
      if (last.type !== "done") onSaid(last);
    },
    tooLong: () => child.kill("SIGKILL"),
  });
  child.stderr?.on("data", (chunk) => {
    stderr = (stderr + chunk).slice(-stderrCharsKept);
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  }).finally(() => signal.removeEventListener("abort", endAll));
  const end = last as Said | null;
  if (end?.type === "failed") throw new Error(end.message);
  if (end?.type !== "done" || code !== 0)
    throw new Error(`the sandbox that works on the image ended (${stderr.trim() || code})`);
  return end;
}

function endGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It has ended already.
  }
}

const added = (capability: string) => ["--cap-add", `CAP_${capability}`];
