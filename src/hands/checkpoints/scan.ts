import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  opendirSync,
  openSync,
  readlinkSync,
  readSync,
} from "node:fs";
import { setImmediate } from "node:timers/promises";
import { limits } from "../../limits.ts";
import type { Known, KnownFile } from "./known-files.ts";
import type { Manifest, ManifestEntry } from "./manifest.ts";
import type { Blob } from "./storage.ts";

export interface ScanBounds {
  files: number;
  bytes: number;
  file_bytes: number;
  depth: number;
  path_bytes: number;
  /** A file that changed so shortly before, in `ms`, may change once more without looking different. */
  settled_ms: number;
}

export const scanBounds: ScanBounds = {
  files: limits.checkpoint_files_max,
  bytes: limits.checkpoint_bytes_max,
  file_bytes: limits.checkpoint_file_bytes_max,
  depth: limits.checkpoint_depth_max,
  path_bytes: limits.checkpoint_path_bytes_max,
  settled_ms: limits.checkpoint_settled_ms,
};

export interface ScanOptions {
  folders: readonly { name: string; path: string }[];
  /** Files as they were read before, which are not read again while they look the same. */
  known: Known;
  put(content: AsyncIterable<Buffer>): Promise<Blob>;
  signal: AbortSignal;
  bounds?: ScanBounds;
}

export interface Scanned {
  manifest: Manifest;
  /** What is worth knowing the next time. */
  known: Known;
  files_read: number;
}

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
const chunkBytes = 1 << 20;
/** Entries between two looks at whether to go on. */
const strideMax = 256;

/**
 * Reads folders that whoever writes to them may have made to trick us. Every name is looked up in a folder that is held
 * open, and no link is followed, so nothing outside is reached however things are moved about meanwhile; what is opened
 * may turn out to be anything, and only a regular file is read. Stops with what `signal` says; `known` holds by then
 * what has been read.
 */
export async function scan(options: ScanOptions): Promise<Scanned> {
  const { known, put, signal, bounds = scanBounds } = options;
  const entries: ManifestEntry[] = [];
  const left_out: Manifest["left_out"] = [];
  let left_out_count = 0;
  let bytes = 0;
  let pathBytes = 0;
  let files_read = 0;
  let stride = 0;
  const seen: Known = new Map();
  const settledNs = BigInt(Date.now() - bounds.settled_ms) * 1_000_000n;

  function leaveOut(path: string, why: string): void {
    left_out_count += 1;
    if (left_out.length < limits.restored_missing_max) left_out.push({ path, why });
  }

  function take(entry: ManifestEntry): void {
    entries.push(entry);
    pathBytes += entry.path.length + (entry.type === "link" ? entry.target.length : 0);
  }

  const isFull = () => entries.length >= bounds.files || pathBytes >= bounds.path_bytes;

  async function breathe(): Promise<void> {
    if (++stride % strideMax === 0) await setImmediate();
    signal.throwIfAborted();
  }

  async function folder(at: Buffer | string, path: string, depth: number): Promise<void> {
    const fd = openSync(at, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK);
    try {
      const { mode, mtimeMs } = fstatSync(fd);
      take({ type: "folder", path, mode: keptMode(mode), mtime_ms: mtimeMs });
      for (const name of namesIn(fd, bounds.files - entries.length + 1).names) {
        await breathe();
        const child = `${path}/${name.toString("latin1")}`;
        if (isFull()) leaveOut(child, "there are too many files");
        else await attempt(child, () => entry(place(fd, name), child, depth + 1));
      }
    } finally {
      closeSync(fd);
    }
  }

  /** What has gone meanwhile was deleted. */
  async function attempt(path: string, read: () => Promise<void>): Promise<void> {
    try {
      await read();
    } catch (error) {
      const why = unreadable[(error as NodeJS.ErrnoException).code ?? ""];
      if (why === undefined) throw error;
      if (why !== null) leaveOut(path, why);
    }
  }

  async function entry(at: Buffer, path: string, depth: number): Promise<void> {
    const stats = lstatSync(at, { bigint: true });
    if (stats.isSymbolicLink()) {
      const target = readlinkSync(at, { encoding: "buffer" }).toString("latin1");
      take({ type: "link", path, target, mtime_ms: Number(stats.mtimeMs) });
    } else if (stats.isDirectory()) {
      if (depth > bounds.depth) leaveOut(path, "it lies too deep");
      else await folder(at, path, depth);
    } else if (stats.isFile()) await file(at, path, stats);
    else leaveOut(path, kindOf(stats));
  }

  async function file(at: Buffer, path: string, stats: BigIntStats): Promise<void> {
    if (stats.size > BigInt(bounds.file_bytes)) return leaveOut(path, "it is too large");
    if (BigInt(bytes) + stats.size > BigInt(bounds.bytes))
      return leaveOut(path, "all files together are too large");
    const before = known.get(path);
    if (before && looksLike(before, stats)) {
      seen.set(path, before);
      bytes += Number(stats.size);
      return take(fileEntry(path, stats, before.sha256, false));
    }
    const fd = openSync(at, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    try {
      const opened = fstatSync(fd, { bigint: true });
      if (!opened.isFile()) return leaveOut(path, kindOf(opened));
      if (opened.size > BigInt(bounds.file_bytes)) return leaveOut(path, "it is too large");
      files_read += 1;
      const blob = await put(contentOf(fd, Number(opened.size), breathe));
      const after = fstatSync(fd, { bigint: true });
      const settled = sameContent(opened, after) && BigInt(blob.bytes) === opened.size;
      bytes += blob.bytes;
      take(fileEntry(path, { ...after, size: BigInt(blob.bytes) }, blob.sha256, !settled));
      const learnt = knownFile(after, blob.sha256);
      if (!settled || after.ctimeNs > settledNs) return;
      seen.set(path, learnt);
      known.set(path, learnt);
    } finally {
      closeSync(fd);
    }
  }

  for (const { name, path } of options.folders) await folder(path, name, 0);
  signal.throwIfAborted();
  return { manifest: { entries, left_out, left_out_count }, known: seen, files_read };
}

/** In the order of their bytes; no more than `max`, whatever the folder holds, and whether there are more. */
export function namesIn(fd: number, max: number): { names: Buffer[]; more: boolean } {
  const names: Buffer[] = [];
  // Node has had it for long; its types have not.
  const open = opendirSync(`/proc/self/fd/${fd}`, { encoding: "buffer" as BufferEncoding });
  try {
    for (let next = open.readSync(); next !== null; next = open.readSync()) {
      if (names.length >= max) return { names: names.sort(Buffer.compare), more: true };
      names.push(next.name as string | Buffer as Buffer);
    }
  } finally {
    open.closeSync();
  }
  return { names: names.sort(Buffer.compare), more: false };
}

/** A name in a folder that is open. */
export const place = (fd: number, name: Buffer): Buffer =>
  Buffer.concat([Buffer.from(`/proc/self/fd/${fd}/`), name]);

async function* contentOf(fd: number, size: number, breathe: () => Promise<void>): AsyncGenerator<Buffer> {
  for (let at = 0; at < size; ) {
    await breathe();
    const chunk = Buffer.allocUnsafe(Math.min(chunkBytes, size - at));
    const length = readSync(fd, chunk, 0, chunk.length, at);
    if (length === 0) return;
    at += length;
    yield chunk.subarray(0, length);
  }
}

const fileEntry = (
  path: string,
  stats: Pick<BigIntStats, "mode" | "size" | "mtimeMs">,
  sha256: string,
  unsettled: boolean,
): ManifestEntry => ({
  type: "file",
  path,
  mode: keptMode(Number(stats.mode)),
  mtime_ms: Number(stats.mtimeMs),
  size: Number(stats.size),
  sha256,
  unsettled,
});

/** Not whom a program runs as. */
const keptMode = (mode: number): number => mode & 0o1777;

export const knownFile = (stats: BigIntStats, sha256: string): KnownFile => ({
  ino: String(stats.ino),
  size: String(stats.size),
  mtime_ns: String(stats.mtimeNs),
  ctime_ns: String(stats.ctimeNs),
  sha256,
});

const looksLike = (before: KnownFile, stats: BigIntStats): boolean =>
  before.ctime_ns === String(stats.ctimeNs) &&
  before.mtime_ns === String(stats.mtimeNs) &&
  before.size === String(stats.size) &&
  before.ino === String(stats.ino);

const sameContent = (a: BigIntStats, b: BigIntStats): boolean =>
  a.size === b.size && a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs;

function kindOf(stats: BigIntStats): string {
  if (stats.isSocket()) return "it is a socket";
  if (stats.isFIFO()) return "it is a named pipe";
  if (stats.isDirectory()) return "it is a folder by now";
  return "it is a device";
}

const becameAnother = "it was being replaced by something else";

/** By the code of the error; null for what is not there any more. The others are trouble of the host. */
const unreadable: Record<string, string | null> = {
  ENOENT: null,
  EINVAL: becameAnother,
  ELOOP: becameAnother,
  ENOTDIR: becameAnother,
  ENXIO: "it is a socket",
  EACCES: "it cannot be read (EACCES)",
  EPERM: "it cannot be read (EPERM)",
  EIO: "it cannot be read (EIO)",
};
