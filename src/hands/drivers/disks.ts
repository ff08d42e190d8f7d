import { execFile, spawnSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { limits } from "../../limits.ts";
import { Unavailable } from "../driver.ts";

/**
 * Disks of sandboxes: a file with an ext4 file system of the size that the sandbox may use, in a folder of the sandbox's
 * own, mounted beside it while somebody needs what is on it. Made ahead, since that takes longer than to start a sandbox.
 */
export interface Disks {
  /** What they would need here. Null: there are disks. */
  missing(): Promise<string | null>;
  /** Makes a folder with an empty disk, where there is none. */
  make(folder: string, bytes: number): Promise<void>;
  /** Mounts the disk of a folder, in that size (null: as it is), at least until the returned function is called. */
  hold(folder: string, bytes: number | null): Promise<() => void>;
  /** Renames a folder, be its disk mounted. */
  move(from: string, to: string): void;
  /** Unmounts what nobody holds any more. Throws when somebody does. */
  drop(folder: string): Promise<void>;
  close(): Promise<void>;
}

interface Disk {
  holders: number;
  mounted: boolean;
  /** One change after the other. */
  turn: Promise<void>;
  idle: NodeJS.Timeout | null;
}

export const imageIn = (folder: string): string => join(folder, "disk.img");
export const diskIn = (folder: string): string => join(folder, "disk");
export const hasDisk = (folder: string): boolean => existsSync(imageIn(folder));

/** Journalled, so that it can be mounted after whatever end; what it has not yet zeroed is zero in a new file anyway. */
const formatting = [
  "-q",
  "-F",
  "-b",
  "4096",
  "-m",
  "0",
  "-E",
  "lazy_itable_init=1,lazy_journal_init=1,nodiscard",
];
/** Of one too small for the usual one, in `MiB`. */
const smallJournal = { below_bytes: 64 << 20, args: ["-J", "size=4"] };
const mounting = "loop,nosuid,nodev,noatime,discard,noinit_itable,errors=remount-ro";
const attachedMsMax = 10_000;
const busyMsMax = 3_000;
const pollMs = 50;

/**
 * Below `root`, where they are `possible` at all: for root alone. What a process before this one has left mounted there is
 * unmounted, and what it has made ahead removed.
 */
export function createDisks(root: string, { possible }: { possible: boolean }): Disks {
  const prepared = join(root, "prepared");
  if (possible) {
    unmountBelow(root);
    rmSync(prepared, { recursive: true, force: true });
  }
  const disks = new Map<string, Disk>();
  const spare: { folder: string; bytes: number }[] = [];
  let filling: Promise<void> | null = null;
  let probed: Promise<string | null> | null = null;
  let count = 0;
  const closing = new AbortController();

  function diskOf(folder: string): Disk {
    const found = disks.get(folder);
    if (found) return found;
    const disk = { holders: 0, mounted: isMounted(diskIn(folder)), turn: Promise.resolve(), idle: null };
    disks.set(folder, disk);
    return disk;
  }

  function inTurn(disk: Disk, work: () => Promise<void>): Promise<void> {
    const turn = disk.turn.then(work);
    disk.turn = turn.catch(() => {});
    return turn;
  }

  async function prepare(bytes: number): Promise<{ folder: string; bytes: number }> {
    const folder = join(prepared, `${process.pid}.${count++}`);
    try {
      mkdirSync(diskIn(folder), { recursive: true, mode: 0o711 });
      truncate(imageIn(folder), bytes);
      const journal = bytes < smallJournal.below_bytes ? smallJournal.args : [];
      await run("mkfs.ext4", [...formatting, ...journal, imageIn(folder)]);
      await mount(folder);
      diskOf(folder).mounted = true;
      return { folder, bytes };
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      throw new Unavailable(`no disk for a sandbox can be made: ${saidBy(error)}`);
    }
  }

  function move(from: string, to: string): void {
    renameSync(from, to);
    const disk = disks.get(from);
    if (disk) disks.set(to, disk);
    disks.delete(from);
  }

  /** The next ones, like the last, when the sandbox that this one is for has had time to start. */
  function refill(bytes: number): void {
    filling ??= (async () => {
      await delay(limits.sandbox_disk_ahead_ms, null, { signal: closing.signal });
      for (const other of spare.filter((each) => each.bytes !== bytes)) await discard(other.folder);
      while (!closing.signal.aborted && spare.length < limits.sandbox_disks_prepared)
        spare.push(await prepare(bytes));
    })()
      // The one who needs it hears of it.
      .catch(() => {})
      .finally(() => {
        filling = null;
      });
  }

  async function discard(folder: string): Promise<void> {
    const at = spare.findIndex((each) => each.folder === folder);
    if (at >= 0) spare.splice(at, 1);
    await drop(folder);
    rmSync(folder, { recursive: true, force: true });
  }

  async function ensure(folder: string, disk: Disk, bytes: number | null): Promise<void> {
    const fits = bytes === null || statSync(imageIn(folder)).size === bytes;
    if (disk.mounted && (fits || disk.holders > 1)) return;
    if (disk.mounted) await unmount(folder, disk);
    await detached(imageIn(folder));
    if (bytes !== null && !fits) await resize(imageIn(folder), bytes);
    await mount(folder);
    disk.mounted = true;
  }

  async function unmount(folder: string, disk: Disk): Promise<void> {
    await unmounted(diskIn(folder));
    disk.mounted = false;
  }

  function rest(folder: string, disk: Disk): void {
    if (disk.holders > 0 || closing.signal.aborted) return;
    disk.idle = setTimeout(
      () => void drop(folder).catch(() => rest(folder, disk)),
      limits.sandbox_disk_rest_ms,
    );
    disk.idle.unref();
  }

  async function drop(folder: string): Promise<void> {
    if (!hasDisk(folder)) return;
    const disk = diskOf(folder);
    if (disk.idle) clearTimeout(disk.idle);
    await inTurn(disk, async () => {
      if (disk.holders > 0) throw new Error(`${diskIn(folder)} is in use`);
      if (disk.mounted) await unmount(folder, disk);
      if (disks.get(folder) === disk) disks.delete(folder);
    });
  }

  return {
    missing() {
      if (!possible) return Promise.resolve("a real root and loop devices");
      probed ??= probe(prepare, discard).then((missing) => {
        // It may be there later, and what is missing for a moment must not be for as long as this process runs.
        if (missing !== null) probed = null;
        return missing;
      });
      return probed;
    },
    async make(folder, bytes) {
      const at = spare.findIndex((each) => each.bytes === bytes);
      const [ready] = at >= 0 ? spare.splice(at, 1) : [];
      move((ready ?? (await prepare(bytes))).folder, folder);
      refill(bytes);
    },
    async hold(folder, bytes) {
      const disk = diskOf(folder);
      if (disk.idle) clearTimeout(disk.idle);
      disk.holders += 1;
      let held = true;
      const release = () => {
        if (held) disk.holders -= 1;
        if (held) rest(folder, disk);
        held = false;
      };
      try {
        await inTurn(disk, () => ensure(folder, disk, bytes));
        return release;
      } catch (error) {
        release();
        throw new Unavailable(`the disk of the sandbox cannot be used: ${saidBy(error)}`);
      }
    },
    move,
    drop,
    async close() {
      closing.abort();
      await filling;
      for (const { folder } of [...spare]) await discard(folder);
      for (const [folder, { holders }] of [...disks]) if (holders === 0) await drop(folder);
    },
  };
}

type Prepared = { folder: string; bytes: number };

/** By making one. */
async function probe(
  prepare: (bytes: number) => Promise<Prepared>,
  discard: (folder: string) => Promise<void>,
): Promise<string | null> {
  try {
    await discard((await prepare(limits.sandbox_disk_bytes_min)).folder);
    return null;
  } catch (error) {
    return `file systems in files, which root can mount on most machines (here: ${saidBy(error)})`;
  }
}

/** What is in use there is left as it is. */
function unmountBelow(root: string): void {
  if (!existsSync(root)) return;
  const above = `${realpathSync(root)}/`;
  const left = mountPoints().filter((path) => path.startsWith(above));
  for (const path of left) spawnSync("umount", [path], { stdio: "ignore" });
}

/** Whoever was ended while it read there is gone a moment later. */
async function unmounted(path: string): Promise<void> {
  for (let waited = 0; ; waited += pollMs) {
    try {
      await run("umount", [path]);
      return;
    } catch (error) {
      if (!/busy/.test(saidBy(error)) || waited >= busyMsMax) throw error;
      await delay(pollMs);
    }
  }
}

const isMounted = (path: string): boolean => existsSync(path) && mountPoints().includes(realpathSync(path));

/** Spaces and the like are spelled in octal there. */
const mountPoints = (): string[] =>
  readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .flatMap((line) => line.split(" ")[4] ?? [])
    .map((path) => path.replace(/\\(\d{3})/g, (_, code) => String.fromCharCode(Number.parseInt(code, 8))));

/** A sandbox that is about to end, of this process or one before it, still has it: mounted twice, it would be damaged. */
async function detached(image: string): Promise<void> {
  for (let waited = 0; (await run("losetup", ["-j", image])) !== ""; waited += pollMs) {
    if (waited >= attachedMsMax) throw new Error(`${image} is in use`);
    await delay(pollMs);
  }
}

function mount(folder: string): Promise<string> {
  mkdirSync(diskIn(folder), { recursive: true, mode: 0o711 });
  return run("mount", ["-t", "ext4", "-o", mounting, imageIn(folder), diskIn(folder)]);
}

async function resize(image: string, bytes: number): Promise<void> {
  const grows = statSync(image).size < bytes;
  await run("e2fsck", ["-f", "-p", image]);
  if (grows) truncate(image, bytes);
  await run("resize2fs", [image, `${Math.floor(bytes / 1024)}K`]);
  if (!grows) truncate(image, bytes);
}

/** Sparse: it takes what is used of it. */
const truncate = (image: string, bytes: number): void => {
  closeSync(openSync(image, "a", 0o600));
  truncateSync(image, bytes);
};

async function run(program: string, args: string[]): Promise<string> {
  const env = { PATH: `${process.env.PATH ?? ""}:/usr/sbin:/sbin:/usr/bin:/bin`, LC_ALL: "C" };
  return (await promisify(execFile)(program, args, { cwd: "/", env })).stdout;
}

/** What the program said, in one line. */
function saidBy(error: unknown): string {
  const { stderr, message } = error as Error & { stderr?: string };
  return (stderr || message).trim().replace(/\s+/g, " ").slice(0, limits.sandbox_disk_error_chars_max);
}
