import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import {
  closeSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type { Batch, Blob } from "./storage.ts";

/** How many blobs are synced one by one; more of them with all that the file system holds back. */
const syncedSinglyMax = 16;

/** Writes blobs beside their places, and moves them there together. */
export function openBatch(incoming: string, blobPath: (sha256: string) => string): Batch {
  let waiting: { sha256: string; path: string }[] = [];
  const known = new Set<string>();
  let count = 0;

  function isThere({ sha256, bytes }: Blob): boolean {
    if (known.has(sha256)) return true;
    const path = blobPath(sha256);
    if (statSync(path, { throwIfNoEntry: false })?.size !== bytes) return false;
    try {
      // Used anew: `collect` spares what is young.
      utimesSync(path, new Date(), new Date());
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
      throw error;
    }
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

export function syncPath(path: string): void {
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
