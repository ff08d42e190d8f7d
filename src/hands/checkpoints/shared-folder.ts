import { randomBytes } from "node:crypto";
import {
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { openBatch, syncPath } from "./batch.ts";
import { createHashes } from "./hashes.ts";
import { BlobMissing, type Storage, StorageAway } from "./storage.ts";

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
      return openBatch(incoming, blobPath);
    },
    read: (sha256) => contentOf(blobPath(sha256)),
    async setAside(sha256) {
      try {
        mkdirSync(at("damaged"), { recursive: true, mode: 0o700 });
        renameSync(blobPath(sha256), at("damaged", `${sha256}.${fresh()}`));
      } catch {
        // Another host has done it, or the storage can only be read.
      }
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
      const kept = createHashes();
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
          if (dropUnused(path, at("incoming", fresh()), before)) removed += 1;
        }
      }
      return { kept: kept.count(), removed };
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

const chunkBytes = 1 << 20;

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
      const chunk = Buffer.allocUnsafe(chunkBytes);
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

/** Not if somebody has come to use it since it was looked at. */
function dropUnused(path: string, aside: string, before: number): boolean {
  renameSync(path, aside);
  const isUsed = lstatSync(aside).mtimeMs >= before;
  if (isUsed) renameSync(aside, path);
  else rmSync(aside);
  return !isUsed;
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
