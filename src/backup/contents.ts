import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";

/** What files hold, each content once, under its hash. */
export interface Contents {
  /** Keeps what can be read from a file now. */
  keep(fd: number): { sha256: string; size: number };
  keepText(text: string | Buffer): { sha256: string; size: number };
  /** Writes a content into a file. Throws when it is missing or not what it was. */
  restore(sha256: string, fd: number): void;
  /** Reads a content from the disk. Throws like `restore`. */
  check(sha256: string): void;
}

const chunkBytes = 1 << 20;

/** `progress` is told of bytes as they pass. */
export function contentsIn(folder: string, progress: (bytes: number) => void): Contents {
  const chunk = Buffer.alloc(chunkBytes);
  const zeros = Buffer.alloc(chunkBytes);
  const placeOf = (sha256: string) => join(folder, sha256.slice(0, 2), sha256);
  const part = join(folder, "part");

  /** Holes stay holes: a sparse file may be larger than the disk. */
  function copy(from: number, to: number | null): { sha256: string; size: number } {
    const hash = createHash("sha256");
    let size = 0;
    for (;;) {
      const length = readSync(from, chunk, 0, chunkBytes, null);
      if (length === 0) break;
      const read = chunk.subarray(0, length);
      hash.update(read);
      if (to !== null && !read.equals(zeros.subarray(0, length))) writeAll(to, read, size);
      size += length;
      progress(length);
    }
    if (to !== null) ftruncateSync(to, size);
    return { sha256: hash.digest("hex"), size };
  }

  function settle(kept: { sha256: string; size: number }): { sha256: string; size: number } {
    const place = placeOf(kept.sha256);
    if (existsSync(place)) {
      rmSync(part);
    } else {
      mkdirSync(join(folder, kept.sha256.slice(0, 2)), { recursive: true, mode: 0o700 });
      renameSync(part, place);
    }
    return kept;
  }

  function into(write: (fd: number) => { sha256: string; size: number }) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const fd = openSync(part, "w", 0o600);
    try {
      return settle(write(fd));
    } finally {
      closeSync(fd);
    }
  }

  function verified(sha256: string, to: number | null): void {
    const place = placeOf(sha256);
    if (!existsSync(place)) throw new Error(`the backup is damaged: ${place} is missing`);
    const from = openSync(place, "r");
    try {
      if (copy(from, to).sha256 !== sha256) throw new Error(`the backup is damaged: ${place} has changed`);
    } finally {
      closeSync(from);
    }
  }

  return {
    keep: (fd) => into((to) => copy(fd, to)),
    keepText: (text) =>
      into((to) => {
        const bytes = Buffer.from(text);
        writeAll(to, bytes, 0);
        return { sha256: createHash("sha256").update(bytes).digest("hex"), size: bytes.length };
      }),
    restore: verified,
    check: (sha256) => verified(sha256, null),
  };
}

function writeAll(fd: number, bytes: Buffer, position: number): void {
  for (let written = 0; written < bytes.length; ) {
    written += writeSync(fd, bytes, written, bytes.length - written, position + written);
  }
}
