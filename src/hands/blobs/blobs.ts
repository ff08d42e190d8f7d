import { constants } from "node:fs";
import { chmod, copyFile, mkdir, open, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { failpoint } from "../../failpoints.ts";
import { limits } from "../../limits.ts";
import { type InTurn, turns } from "../turns.ts";
import { hashOf, syncFile, syncFolder } from "./disk.ts";
import { sweep } from "./sweep.ts";

/**
 * The contents that this host has been sent, each in a file of its own that its sandboxes have hard links to.
 *
 * I1  What has its name is whole, on disk, and is never written again: it is what its hash says, and so are all links to it.
 * I2  What nothing links to goes when that has been so for long, or the oldest of it when it is too much.
 */
export interface Blobs {
  /** How many `bytes` of it have come; null when it is here as a whole, and stays for a while. */
  received(sha256: string): Promise<number | null>;
  /**
   * Takes the piece that begins at `offset`, unless the part that is here does not end there. Resolves to how many bytes have
   * come then; 0 also when all of them had, and were something else.
   */
  put(piece: Piece): Promise<number>;
  /** The file with it, that links are made to; null when it is not here. */
  file(sha256: string, kind: { executable: boolean }): Promise<string | null>;
  /** Lets go of what nobody uses, which happens now and then anyway. */
  sweep(): Promise<void>;
  close(): void;
}

export interface Piece {
  sha256: string;
  /** Of all of it. */
  bytes: number;
  offset: number;
  data: Buffer;
}

export interface BlobsOptions {
  /** This process's own. */
  folder: string;
  /** After so long without a link to it, in `ms`, a content goes. */
  unused_ms?: number;
  /** How much may be here that has none, in `bytes`, beside what has come or was asked for in the last `rest_ms`. */
  unused_bytes_max?: number;
  rest_ms?: number;
  now?: () => number;
}

/** The modes of the files. */
const plain = 0o444;
const program = 0o555;

const { COPYFILE_FICLONE, O_CREAT, O_WRONLY } = constants;

export async function openBlobs({ folder, now = Date.now, ...bounds }: BlobsOptions): Promise<Blobs> {
  const parts = join(folder, "parts");
  await mkdir(parts, { recursive: true, mode: 0o700 });
  const inTurn: InTurn = turns();
  const placeOf = (sha256: string) => join(folder, sha256);
  /** Links to a file have its mode too, so what is run lies in another one. */
  const programOf = (sha256: string) => join(folder, `${sha256}.x`);
  const partOf = (sha256: string) => join(parts, sha256);

  const isHere = async (path: string) => (await sizeOf(path)) !== null;

  async function receivedOf(sha256: string): Promise<number | null> {
    const touched = await Promise.all([touch(placeOf(sha256), plain), touch(programOf(sha256), program)]);
    return touched.includes(true) ? null : ((await sizeOf(partOf(sha256))) ?? 0);
  }

  async function put({ sha256, bytes, offset, data }: Piece): Promise<number> {
    const part = partOf(sha256);
    const before = await receivedOf(sha256);
    if (before === null) return bytes;
    if (before > bytes) {
      await rm(part);
      return 0;
    }
    if (before !== offset) return before;
    if (offset + data.length > bytes) throw new Error("more was sent than there is said to be of it");
    try {
      await writeAt(part, offset, data);
      if (offset + data.length < bytes) return offset + data.length;
      if ((await hashOf(part)) === sha256) {
        await keep(part, placeOf(sha256), plain);
        failpoint("blob_received");
        return bytes;
      }
    } catch (error) {
      await rm(part, { force: true });
      throw error;
    }
    await rm(part);
    return 0;
  }

  async function keep(part: string, place: string, mode: number): Promise<void> {
    await chmod(part, mode);
    await syncFile(part);
    await rename(part, place);
    await syncFolder(folder);
  }

  async function copy(from: string, to: string, mode: number): Promise<string> {
    const part = join(parts, `${process.pid}.${process.hrtime.bigint()}`);
    try {
      await copyFile(from, part, COPYFILE_FICLONE);
      await keep(part, to, mode);
      return to;
    } catch (error) {
      await rm(part, { force: true });
      throw error;
    }
  }

  async function file(sha256: string, executable: boolean): Promise<string | null> {
    const [wanted, other] = executable
      ? [programOf(sha256), placeOf(sha256)]
      : [placeOf(sha256), programOf(sha256)];
    if (await isHere(wanted)) return wanted;
    return (await isHere(other)) ? copy(other, wanted, executable ? program : plain) : null;
  }

  const sweepNow = () => sweep({ folder, parts, now: now() }, { ...defaults, ...bounds });
  const sweeping = setInterval(() => sweepNow().catch(() => {}), limits.hands_blobs_sweep_ms);
  sweeping.unref();
  await sweepNow();

  return {
    received: (sha256) => inTurn(sha256, () => receivedOf(sha256)),
    put: (piece) => inTurn(piece.sha256, () => put(piece)),
    file: (sha256, { executable }) => inTurn(sha256, () => file(sha256, executable)),
    sweep: sweepNow,
    close: () => clearInterval(sweeping),
  };
}

const defaults = {
  unused_ms: limits.hands_blob_unused_ms,
  unused_bytes_max: limits.hands_blobs_unused_bytes_max,
  rest_ms: limits.hands_blob_rest_ms,
};

async function writeAt(path: string, offset: number, data: Buffer): Promise<void> {
  const file = await open(path, O_CREAT | O_WRONLY, 0o600);
  try {
    for (let written = 0; written < data.length; )
      written += (await file.write(data, written, data.length - written, offset + written)).bytesWritten;
  } finally {
    await file.close();
  }
}

async function sizeOf(path: string): Promise<number | null> {
  return (await unlessMissing(stat(path)))?.size ?? null;
}

/** Changes nothing but the time that a sweep goes by: others see those of the content itself. */
async function touch(path: string, mode: number): Promise<boolean> {
  return (await unlessMissing(chmod(path, mode).then(() => true))) ?? false;
}

function unlessMissing<T>(work: Promise<T>): Promise<T | null> {
  return work.catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
}
