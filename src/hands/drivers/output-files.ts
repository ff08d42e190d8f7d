import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fdatasync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { limits } from "../../limits.ts";
import type { OutputFile } from "../driver.ts";

export interface OutputFilesOptions {
  /** The host's own: the sandbox sees it read-only, so that no link or file of its making is ever in the way. */
  folder: string;
  /** Where the sandbox sees it. */
  inside: string;
  /** Who may read, when the sandbox does not run as this process does. */
  gid: number | undefined;
  file_bytes_max?: number;
  bytes_max?: number;
}

const { O_CREAT, O_EXCL, O_WRONLY } = constants;

/** Written as the output comes, without waiting: no more of it is in memory than a chunk. */
export function outputFiles(options: OutputFilesOptions): (name: string) => OutputFile {
  const { folder, inside, gid } = options;
  const { file_bytes_max = limits.kept_output_bytes_max, bytes_max = limits.kept_outputs_bytes_max } =
    options;

  return (name) => {
    const path = join(folder, `${name}.txt`);
    let fd: number | null = null;
    let failed = false;
    let bytes = 0;
    let complete = true;

    /** A failure on the host's disk is told in the end; the command goes on. */
    function attempt(work: () => void): void {
      if (failed) return;
      try {
        work();
      } catch {
        failed = true;
      }
    }

    function append(chunk: Buffer): void {
      for (let at = 0; fd !== null && at < chunk.length; ) at += writeSync(fd, chunk, at);
    }

    attempt(() => {
      makeRoom(folder, bytes_max - file_bytes_max);
      rmSync(path, { force: true });
      fd = openSync(path, O_CREAT | O_EXCL | O_WRONLY, 0o600);
      if (gid !== undefined) fchownSync(fd, -1, gid);
      fchmodSync(fd, 0o440);
    });
    return {
      write(chunk) {
        const taken = chunk.subarray(0, file_bytes_max - bytes);
        attempt(() => append(taken));
        bytes += taken.length;
        if (taken.length === chunk.length || !complete) return;
        complete = false;
        attempt(() =>
          append(
            Buffer.from(`\n[The output was longer than ${file_bytes_max} bytes: the rest was not kept.]\n`),
          ),
        );
      },
      async end() {
        const open = fd;
        if (open === null) return null;
        // A late chunk must not reach whatever has the descriptor next.
        fd = null;
        await promisify(fdatasync)(open).catch(() => {
          failed = true;
        });
        closeSync(open);
        if (!failed) return { path: `${inside}/${name}.txt`, bytes, complete };
        rmSync(path, { force: true });
        return null;
      },
    };
  };
}

/** The oldest go until the rest is not more than `bytesMax`. */
function makeRoom(folder: string, bytesMax: number): void {
  const files = readdirSync(folder).map((name) => {
    const path = join(folder, name);
    const { size, mtimeMs } = statSync(path);
    return { path, size, mtimeMs };
  });
  files.sort((a, b) => a.mtimeMs - b.mtimeMs);
  let total = files.reduce((sum, { size }) => sum + size, 0);
  for (const { path, size } of files) {
    if (total <= bytesMax) return;
    rmSync(path, { force: true });
    total -= size;
  }
}
