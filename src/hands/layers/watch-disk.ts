import { execFile } from "node:child_process";
import { statfsSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { limits } from "../../limits.ts";

/** What installers write is on the host's disk, where nothing but this limits it. */

/** In bytes. */
export interface DiskBounds {
  bytes_max: number;
  files_max: number;
  free_bytes_min: number;
}

export const diskBounds: DiskBounds = {
  bytes_max: limits.layer_bytes_max,
  files_max: limits.layer_files_max,
  free_bytes_min: limits.layer_disk_free_bytes_min,
};

export interface DiskWatch {
  /** Resolves with what was wrong with what was there when it was first called; null: nothing. */
  stop(): Promise<string | null>;
}

/**
 * Calls `end` with the reason when there is too much in the folders. To count takes its time, and misses files that have
 * no name any more, so it is looked more often whether the disk is nearly full.
 */
export function watchDisk(folders: string[], bounds: DiskBounds, end: (why: string) => void): DiskWatch {
  const stopped = new AbortController();
  const free = setInterval(() => {
    const why = nearlyFull(folders, bounds);
    if (why !== null) end(why);
  }, limits.layer_disk_watch_ms);

  async function count(): Promise<void> {
    while (!stopped.signal.aborted) {
      await delay(limits.layer_bytes_watch_ms, undefined, { signal: stopped.signal }).catch(() => {});
      if (stopped.signal.aborted) return;
      const why = await tooMuch(folders, bounds);
      if (why !== null) end(why);
    }
  }
  const counting = count();
  let last: Promise<string | null> | undefined;

  async function countAtTheEnd(): Promise<string | null> {
    clearInterval(free);
    stopped.abort();
    await counting;
    return tooMuch(folders, bounds);
  }

  return {
    stop() {
      last ??= countAtTheEnd();
      return last;
    },
  };
}

function nearlyFull([folder = "/"]: string[], { free_bytes_min }: DiskBounds): string | null {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize < free_bytes_min
    ? `less than ${shown(free_bytes_min)} of the host's disk would have been left free`
    : null;
}

async function tooMuch(folders: string[], { bytes_max, files_max }: DiskBounds): Promise<string | null> {
  if ((await total("--block-size=1", folders)) > bytes_max)
    return `it needs more than ${shown(bytes_max)} of the host's disk`;
  if ((await total("--inodes", folders)) > files_max)
    return `it has made more than ${files_max.toLocaleString("en")} files`;
  return null;
}

const shown = (bytes: number) =>
  bytes >= 2 ** 30 ? `${bytes / 2 ** 30} GiB` : `${Math.round(bytes / 2 ** 20)} MiB`;

/** As a root who looks into folders that their owner cannot enter; who is none is that of a namespace of its own. */
async function total(of: "--block-size=1" | "--inodes", folders: string[]): Promise<number> {
  const asRoot = process.getuid?.() === 0 ? [] : ["unshare", "--user", "--map-root-user", "--"];
  const [program = "", ...args] = [...asRoot, "sh", "-c", counting, of, ...folders];
  const { stdout } = await promisify(execFile)(program, args, {
    cwd: "/",
    env: { PATH: "/usr/bin:/bin" },
  });
  return stdout.split("\n").reduce((sum, line) => sum + (Number.parseInt(line, 10) || 0), 0);
}

/** What vanishes meanwhile makes it fail, and it says what it has counted nonetheless. */
const counting = 'du --summarize --one-file-system "$0" -- "$@" 2>/dev/null || true';
