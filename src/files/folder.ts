import { createReadStream } from "node:fs";
import { link, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { BlobMissing, type ByteRange, type FileStore, FileStoreAway, FileStoreFull } from "./store.ts";

const chunkBytes = 256 << 10;

/**
 * A store in a folder, which servers on several machines may share:
 *
 *   store-id           its id
 *   blobs/ab/abcdef..  contents, by their keys
 *   incoming/<key>     what is still coming
 */
export function folderStore(folder: string): FileStore {
  const idPath = join(folder, "store-id");
  const blobPath = (key: string) => join(folder, "blobs", key.slice(0, 2), key);
  const partPath = (key: string) => join(folder, "incoming", key);

  return {
    place: folder,
    async identify(fresh) {
      if (fresh === null || (await readId(idPath)) !== null) return readId(idPath);
      await inStore(() => mkdir(join(folder, "incoming"), { recursive: true, mode: 0o700 }));
      await createWhole(idPath, partPath(fresh), fresh);
      return readId(idPath);
    },
    async put(key, content) {
      const place = blobPath(key);
      const part = partPath(key);
      // No folder is made for it: in the place of a share that is not mounted nothing may be kept.
      const file = await inStore(() => open(part, "wx", 0o600));
      try {
        for await (const chunk of content) await inStore(() => file.writeFile(chunk));
        await inStore(() => file.sync());
      } finally {
        await file.close();
      }
      await inStore(async () => {
        await mkdir(dirname(place), { recursive: true, mode: 0o700 });
        await rename(part, place);
        await syncFolder(dirname(place));
        await syncFolder(join(folder, "blobs"));
      });
    },
    get: (key, range) => opened(blobPath(key), range),
    remove: (key) =>
      inStore(async () => {
        for (const path of [partPath(key), blobPath(key)]) await rm(path, { force: true });
      }),
  };
}

/** Whole or not at all, and never over another. */
async function createWhole(path: string, part: string, text: string): Promise<void> {
  await inStore(async () => {
    const file = await open(part, "wx", 0o600);
    try {
      await file.writeFile(`${text}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await link(part, path).catch((error: unknown) => {
      if (codeOf(error) !== "EEXIST") throw error;
    });
    await rm(part);
    await syncFolder(dirname(path));
  });
}

async function readId(path: string): Promise<string | null> {
  try {
    return (await readFile(path, "utf8")).trim();
  } catch (error) {
    if (codeOf(error) === "ENOENT") return null;
    throw troubleOf(error);
  }
}

/** Resolves once it is open: from then on it can be read to its end, also if it is removed meanwhile. */
function opened(path: string, range?: ByteRange): Promise<Readable> {
  const bounds = range && { start: range.start, end: range.end - 1 };
  const stream = createReadStream(path, { highWaterMark: chunkBytes, ...bounds });
  return new Promise((resolve, reject) => {
    stream.once("open", () => resolve(stream));
    stream.once("error", (error) =>
      reject(codeOf(error) === "ENOENT" ? new BlobMissing(`${path} is not there`) : troubleOf(error)),
    );
  });
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function inStore<Result>(act: () => Promise<Result>): Promise<Result> {
  try {
    return await act();
  } catch (error) {
    throw troubleOf(error);
  }
}

const fullCodes = ["ENOSPC", "EDQUOT", "EFBIG"];

function troubleOf(error: unknown): Error {
  const { message } = error as Error;
  return fullCodes.includes(codeOf(error) ?? "")
    ? new FileStoreFull(message, { cause: error })
    : new FileStoreAway(message, { cause: error });
}

const codeOf = (error: unknown) => (error as NodeJS.ErrnoException).code;
