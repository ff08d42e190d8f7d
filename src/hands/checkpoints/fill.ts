import { createHash } from "node:crypto";
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  ftruncateSync,
  futimesSync,
  lchownSync,
  lutimesSync,
  mkdirSync,
  openSync,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import { setImmediate } from "node:timers/promises";
import { limits } from "../../limits.ts";
import { writeSparse } from "./batch.ts";
import type { Known } from "./known-files.ts";
import type { Manifest, ManifestEntry, Missing } from "./manifest.ts";
import { knownFile, place } from "./scan.ts";
import { BlobMissing, type Storage, StorageAway } from "./storage.ts";

export interface FillFolder {
  /** As the manifest calls it, and as the sandbox sees it. */
  name: string;
  inside: string;
  path: string;
  /** Whose everything in it becomes. Null: whom this process runs as. */
  owner: { uid: number; gid: number } | null;
}

export interface Filled {
  missing: Missing[];
  missing_count: number;
  known: Known;
}

interface Open {
  path: string;
  fd: number;
  mode: number;
  mtime_ms: number;
  owner: FillFolder["owner"];
}

type FileEntry = Extract<ManifestEntry, { type: "file" }>;

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY } = constants;
const strideMax = 64;

/**
 * Makes what the manifest says, each entry in the folder of its own that is still held open: whatever a manifest says,
 * nothing outside of the folders is touched, and no link is followed. A file is there whole and as it was, or not at all.
 */
export async function fill(
  storage: Storage,
  manifest: Manifest,
  folders: readonly FillFolder[],
  signal: AbortSignal,
): Promise<Filled> {
  const filled: Filled = { missing: [], missing_count: 0, known: new Map() };
  /** The folders that the entry at hand may lie in, from the outermost. */
  const open: Open[] = [];

  function miss(path: string, why: string): void {
    filled.missing_count += 1;
    if (filled.missing.length < limits.restored_missing_max)
      filled.missing.push({ path: shown(path, folders), why });
  }

  /** A folder gets its mode and time when all that is in it is there. */
  function leave(): void {
    const folder = open.pop();
    if (!folder) return;
    if (folder.owner) fchownSync(folder.fd, folder.owner.uid, folder.owner.gid);
    futimesSync(folder.fd, Date.now() / 1000, folder.mtime_ms / 1000);
    fchmodSync(folder.fd, folder.mode);
    closeSync(folder.fd);
  }

  function enter(
    entry: Extract<ManifestEntry, { type: "folder" }>,
    at: Buffer | string,
    owner: FillFolder["owner"],
  ) {
    const fd = openSync(at, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    open.push({ path: entry.path, fd, mode: entry.mode, mtime_ms: entry.mtime_ms, owner });
  }

  async function add(entry: ManifestEntry): Promise<void> {
    const cut = entry.path.lastIndexOf("/");
    if (cut < 0) {
      while (open.length > 0) leave();
      const root = folders.find(({ name }) => name === entry.path);
      if (root && entry.type === "folder") enter(entry, root.path, root.owner);
      return;
    }
    while (open.length > 0 && open.at(-1)?.path !== entry.path.slice(0, cut)) leave();
    const parent = open.at(-1);
    const name = entry.path.slice(cut + 1);
    if (!parent) return miss(entry.path, "the folder that it was in is missing");
    if (name === "" || name === "." || name === ".." || name.includes("\0"))
      return miss(entry.path, "its name is damaged");
    const at = place(parent.fd, Buffer.from(name, "latin1"));
    try {
      if (entry.type === "folder") {
        mkdirSync(at, { mode: 0o700 });
        enter(entry, at, parent.owner);
      } else if (entry.type === "link") {
        symlinkSync(Buffer.from(entry.target, "latin1"), at);
        if (parent.owner) lchownSync(at, parent.owner.uid, parent.owner.gid);
        lutimesSync(at, Date.now() / 1000, entry.mtime_ms / 1000);
      } else await addFile(entry, at, parent.owner);
    } catch (error) {
      const why = unmakeable[(error as NodeJS.ErrnoException).code ?? ""];
      if (why === undefined) throw error;
      miss(entry.path, why);
    }
  }

  async function addFile(entry: FileEntry, at: Buffer, owner: FillFolder["owner"]): Promise<void> {
    const fd = openSync(at, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY, 0o600);
    try {
      const problem = await writeContent(storage, entry, fd);
      if (problem !== null) {
        unlinkSync(at);
        return miss(entry.path, problem);
      }
      if (owner) fchownSync(fd, owner.uid, owner.gid);
      futimesSync(fd, Date.now() / 1000, entry.mtime_ms / 1000);
      fchmodSync(fd, entry.mode);
      filled.known.set(entry.path, knownFile(fstatSync(fd, { bigint: true }), entry.sha256));
    } finally {
      closeSync(fd);
    }
    if (entry.unsettled) miss(entry.path, "it is there, but was being written when the checkpoint was made");
  }

  try {
    for (const [i, entry] of manifest.entries.entries()) {
      if (i % strideMax === 0) await setImmediate();
      signal.throwIfAborted();
      await add(entry);
    }
    while (open.length > 0) leave();
  } finally {
    for (const { fd } of open) closeSync(fd);
  }
  for (const { path, why } of manifest.left_out) miss(path, `it was not kept: ${why}`);
  filled.missing_count += manifest.left_out_count - manifest.left_out.length;
  return filled;
}

/** Null when all of it is there; else why not. */
async function writeContent(
  storage: Storage,
  { sha256, size }: FileEntry,
  fd: number,
): Promise<string | null> {
  const hash = createHash("sha256");
  let bytes = 0;
  try {
    for await (const chunk of storage.read(sha256)) {
      if (bytes + chunk.length > size) break;
      hash.update(chunk);
      writeSparse(fd, chunk, bytes);
      bytes += chunk.length;
    }
  } catch (error) {
    if (error instanceof BlobMissing) return "it is missing in the storage";
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (error instanceof StorageAway || (syscall !== "open" && syscall !== "read")) throw error;
    return `it cannot be read in the storage (${code})`;
  }
  ftruncateSync(fd, bytes);
  if (bytes === size && hash.digest("hex") === sha256) return null;
  await storage.setAside(sha256);
  return "it is damaged in the storage";
}

/** By the code of the error: what concerns one name. The others are trouble of the host. */
const unmakeable: Record<string, string> = {
  EEXIST: "another file of that name is there",
  EILSEQ: "this host can have no file of that name",
  EINVAL: "this host can have no file of that name",
  ENAMETOOLONG: "this host can have no file of so long a name",
};

/** As the sandbox names it, in one line. */
function shown(path: string, folders: readonly FillFolder[]): string {
  const [first = "", ...rest] = path.split("/");
  const inside = folders.find(({ name }) => name === first)?.inside ?? first;
  const text = Buffer.from([inside, ...rest].join("/"), "latin1").toString("utf8");
  const line = text.replace(/\p{Cc}/gu, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`);
  const { restored_path_chars_max: max } = limits;
  return line.length <= max ? line : `${line.slice(0, max / 2)}...${line.slice(-max / 2)}`;
}
