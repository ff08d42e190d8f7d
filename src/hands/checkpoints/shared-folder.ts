import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { type Batch, type Blob, BlobMissing, type Storage, StorageAway } from "./storage.ts";

export interface OpenOptions {
  /** The id of the storage that was there before; null when none was known there. */
  known: string | null;
  /** Whether a folder where there is none, and none was known, becomes one. Else it gives null. */
  make: boolean;
}

/**
 * A storage in a folder that hosts share:
 *
 *   storage-id                 its id
 *   blobs/ab/abcdef...         by the SHA-256 of what they hold
 *   documents/<name>           whole from the moment they are there
 *   removed/<ms>-<random>      documents that were removed, with the time; they keep their blobs for a while
 *   incoming/<random>/         what is being written; that of a process that died is removed by `collect`
 *   damaged/                   blobs that did not hold what their name says
 *
 * Everything is written beside its place, synced and then moved there. All calls of the system are made without waiting
 * for others: this runs in a process of its own, which is ended when a shared folder does not answer.
 */
export function openSharedFolder(folder: string, options: OpenOptions): Storage | null {
  const at = (...parts: string[]) => join(folder, ...parts);
  const id = idOf(folder, options);
  if (id === null) return null;
  const blobPath = (sha256: string) => at("blobs", sha256.slice(0, 2), sha256);
  const fresh = () => `${Date.now()}-${randomBytes(8).toString("hex")}`;

  return {
    id,
    async begin() {
      const incoming = at("incoming", fresh());
      mkdirSync(incoming, { recursive: true, mode: 0o700 });
      return batch(incoming, blobPath);
    },
    read: (sha256) => contentOf(blobPath(sha256)),
    async setAside(sha256) {
      mkdirSync(at("damaged"), { recursive: true, mode: 0o700 });
      renameSync(blobPath(sha256), at("damaged", `${sha256}.${fresh()}`));
    },
    async list(name) {
      const base = at("documents", name);
      if (!existsSync(base)) return [];
      const found = readdirSync(base, { recursive: true, withFileTypes: true });
      const names = found.flatMap((entry) =>
        entry.isFile() ? [join(entry.parentPath, entry.name).slice(at("documents").length + 1)] : [],
      );
      return names.sort();
    },
    async readDocument(name) {
      try {
        return readFileSync(at("documents", name));
      } catch (error) {
        if (codeOf(error) === "ENOENT") return null;
        throw awayIf(error);
      }
    },
    async createDocument(name, bytes) {
      const path = at("documents", name);
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      return create(path, bytes, at("incoming"));
    },
    async removeDocument(name) {
      mkdirSync(at("removed"), { recursive: true, mode: 0o700 });
      try {
        renameSync(at("documents", name), at("removed", fresh()));
      } catch (error) {
        if (codeOf(error) !== "ENOENT") throw error;
      }
    },
    async collect(named, { grace_ms }) {
      const before = Date.now() - grace_ms;
      dropRemoved(at("removed"), before);
      for (const name of namesIn(at("incoming"))) {
        const path = at("incoming", name);
        if ((lstatSync(path, { throwIfNoEntry: false })?.mtimeMs ?? before) < before)
          rmSync(path, { recursive: true, force: true });
      }
      const kept = new Set<string>();
      for (const part of ["documents", "removed"]) {
        if (!existsSync(at(part))) continue;
        for (const entry of readdirSync(at(part), { recursive: true, withFileTypes: true })) {
          if (!entry.isFile()) continue;
          const bytes = readIfThere(join(entry.parentPath, entry.name));
          if (bytes) for (const sha256 of await named(bytes)) kept.add(sha256);
        }
      }
      let removed = 0;
      for (const shard of namesIn(at("blobs"))) {
        for (const sha256 of namesIn(at("blobs", shard))) {
          const path = at("blobs", shard, sha256);
          const made = lstatSync(path, { throwIfNoEntry: false });
          if (kept.has(sha256) || !made || made.mtimeMs >= before) continue;
          rmSync(path, { force: true });
          removed += 1;
        }
      }
      return { kept: kept.size, removed };
    },
  };
}

/** Where one was known and is not, it may just not be mounted. */
function idOf(folder: string, { known, make }: OpenOptions): string | null {
  const path = join(folder, "storage-id");
  const read = () => readFileSync(path, "utf8").trim();
  try {
    if (!existsSync(path) && known === null) {
      if (!make) return null;
      mkdirSync(join(folder, "incoming"), { recursive: true, mode: 0o700 });
      create(path, Buffer.from(`${randomBytes(16).toString("hex")}\n`), join(folder, "incoming"));
    }
    const id = read();
    if (known === null || id === known) return id;
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw new StorageAway(`${folder}: ${(error as Error).message}`);
  }
  throw new StorageAway(`${folder} is not the storage that was there before; is it mounted?`);
}

/** How many blobs are synced one by one; more of them with all that the file system holds back. */
const syncedSinglyMax = 16;

function batch(incoming: string, blobPath: (sha256: string) => string): Batch {
  let waiting: { sha256: string; path: string }[] = [];
  const known = new Set<string>();
  let count = 0;

  function isThere({ sha256, bytes }: Blob): boolean {
    if (known.has(sha256)) return true;
    const path = blobPath(sha256);
    if (statSync(path, { throwIfNoEntry: false })?.size !== bytes) return false;
    // Used anew: `collect` spares what is young.
    utimesSync(path, new Date(), new Date());
    return true;
  }

  return {
    async put(content) {
      const hash = createHash("sha256");
      const path = join(incoming, String(count++));
      let first: Buffer | null = null;
      let fd: number | null = null;
      let bytes = 0;
      try {
        for await (const chunk of content) {
          hash.update(chunk);
          if (bytes === 0 && fd === null && first === null) first = chunk;
          else {
            fd ??= begun(path, first);
            writeSparse(fd, chunk, bytes);
          }
          bytes += chunk.length;
        }
        const blob = { sha256: hash.digest("hex"), bytes };
        if (isThere(blob)) return blob;
        fd ??= begun(path, first);
        ftruncateSync(fd, bytes);
        waiting.push({ sha256: blob.sha256, path });
        known.add(blob.sha256);
        return blob;
      } finally {
        if (fd !== null) closeSync(fd);
        if (waiting.at(-1)?.path !== path) rmSync(path, { force: true });
      }
    },
    async commit() {
      if (waiting.length === 0) return;
      const singly = waiting.length <= syncedSinglyMax || !(await syncFileSystem(incoming));
      if (singly) for (const { path } of waiting) syncPath(path);
      const shards = new Set<string>();
      for (const { sha256, path } of waiting) {
        const place = blobPath(sha256);
        mkdirSync(dirname(place), { recursive: true, mode: 0o700 });
        renameSync(path, place);
        shards.add(dirname(place));
      }
      for (const shard of shards) {
        syncPath(shard);
        syncPath(dirname(shard));
      }
      waiting = [];
    },
    async end() {
      rmSync(incoming, { recursive: true, force: true });
    },
  };
}

function begun(path: string, first: Buffer | null): number {
  const fd = openSync(path, "wx", 0o600);
  if (first) writeSparse(fd, first, 0);
  return fd;
}

const zeros = Buffer.alloc(1 << 20);

/** What is all zeros is left a hole. The file's end is set by who is done with it. */
export function writeSparse(fd: number, chunk: Buffer, at: number): void {
  if (chunk.length <= zeros.length && chunk.compare(zeros, 0, chunk.length) === 0) return;
  for (let done = 0; done < chunk.length; )
    done += writeSync(fd, chunk, done, chunk.length - done, at + done);
}

async function* contentOf(path: string): AsyncGenerator<Buffer> {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (error) {
    if (codeOf(error) === "ENOENT") throw new BlobMissing(`${path} is not there`);
    throw awayIf(error);
  }
  try {
    for (;;) {
      const chunk = Buffer.allocUnsafe(zeros.length);
      const length = readSync(fd, chunk, 0, chunk.length, null);
      if (length === 0) return;
      yield chunk.subarray(0, length);
    }
  } catch (error) {
    throw awayIf(error);
  } finally {
    closeSync(fd);
  }
}

/** Whole or not at all, and never over another. */
function create(path: string, bytes: Buffer, incoming: string): boolean {
  mkdirSync(incoming, { recursive: true, mode: 0o700 });
  const part = join(incoming, randomBytes(12).toString("hex"));
  try {
    writeFileSync(part, bytes, { mode: 0o600, flag: "wx", flush: true });
    linkSync(part, path);
    syncPath(dirname(path));
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(part, { force: true });
  }
}

function dropRemoved(folder: string, before: number): void {
  for (const name of namesIn(folder)) {
    if (Number.parseInt(name, 10) < before) rmSync(join(folder, name), { force: true });
  }
}

const namesIn = (folder: string) => (existsSync(folder) ? readdirSync(folder) : []);

function readIfThere(path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return null;
    throw error;
  }
}

function syncPath(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Whether all that was written to the file system of `path` is on its disk. */
export async function syncFileSystem(path: string): Promise<boolean> {
  try {
    await promisify(execFile)("sync", ["-f", "--", path]);
    return true;
  } catch {
    return false;
  }
}

const awayCodes = new Set([
  "ESTALE",
  "ENOTCONN",
  "ETIMEDOUT",
  "EHOSTDOWN",
  "EHOSTUNREACH",
  "EACCES",
  "EPERM",
]);

/** A share that is gone says so by these; anything else is said of one file. */
function awayIf(error: unknown): unknown {
  return awayCodes.has(codeOf(error) ?? "") ? new StorageAway((error as Error).message) : error;
}

const codeOf = (error: unknown) => (error as NodeJS.ErrnoException).code;
