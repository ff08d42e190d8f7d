import { createHash, randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { copyFile, link, lstat, mkdir, readdir, rename, rm, utimes } from "node:fs/promises";
import { join } from "node:path";
import { limits } from "../limits.ts";

/**
 * What was fetched of repositories, kept for the next who wants some of it. Nobody works on what is kept:
 * I1. Each works on a copy of its own, made of links, and publishes it as a whole, by its name. What died halfway was
 *     never published.
 * I2. What is published never changes: git writes its files anew, and renames them. So a copy needs no lock, and processes
 *     that share the folder need not know of each other.
 */
export interface WorkingCopies {
  /** Gives `work` a repository, empty or with what an earlier one has published for the URL, and removes it afterwards. */
  use<Result>(url: string, work: (copy: WorkingCopy) => Promise<Result>): Promise<Result>;
}

export interface WorkingCopy {
  /** A bare repository, or an empty folder that is to become one. */
  repository: string;
  /** Room for more, which goes with it. */
  folder: string;
  isNew: boolean;
  /** What is in the repository now is whole, and may serve others. */
  publish(): Promise<void>;
}

export function openWorkingCopies(
  root: string,
  { kept_bytes_max } = { kept_bytes_max: limits.repositories_kept_bytes_max as number },
): WorkingCopies {
  const kept = join(root, "kept");
  const inWork = join(root, "in-work");

  /** The newest that was published. */
  async function newest(key: string): Promise<{ path: string; n: number } | null> {
    const published = await publishedIn(join(kept, key));
    const n = published.at(-1);
    return n === undefined ? null : { path: join(kept, key, String(n)), n };
  }

  async function take(key: string, repository: string): Promise<number> {
    for (;;) {
      const found = await newest(key);
      if (!found) {
        await mkdir(repository);
        return 0;
      }
      try {
        const now = new Date();
        await utimes(found.path, now, now);
        await linkTree(found.path, repository);
        return found.n;
      } catch (error) {
        // A newer one has come in its place, or it had to make room.
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
        await rm(repository, { recursive: true, force: true });
      }
    }
  }

  async function publish(key: string, repository: string, n: number): Promise<void> {
    const copy = `${repository}.published`;
    await linkTree(repository, copy);
    await mkdir(join(kept, key), { recursive: true, mode: 0o700 });
    try {
      await rename(copy, join(kept, key, String(n)));
    } catch (error) {
      // Somebody else was quicker, and what they have is as good.
      if (!["ENOTEMPTY", "EEXIST"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    }
    for (const older of (await publishedIn(join(kept, key))).slice(0, -1))
      await discard(join(kept, key, String(older)), inWork);
  }

  return {
    async use(url, work) {
      const key = createHash("sha256").update(url).digest("hex");
      const folder = join(inWork, randomBytes(8).toString("hex"));
      await mkdir(kept, { recursive: true, mode: 0o700 });
      await sweep(inWork);
      await mkdir(folder, { recursive: true, mode: 0o700 });
      try {
        const repository = join(folder, "repository");
        const n = await take(key, repository);
        const copy = { repository, folder, isNew: n === 0, publish: () => publish(key, repository, n + 1) };
        return await work(copy);
      } finally {
        await rm(folder, { recursive: true, force: true });
        await makeRoom(kept, inWork, kept_bytes_max);
      }
    },
  };
}

/** In order. */
const publishedIn = async (folder: string): Promise<number[]> =>
  (await namesIn(folder)).map(Number).toSorted((a, b) => a - b);

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/** Objects and packs are the same files in both; of all else, which is small, each has its own. */
async function linkTree(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) await linkTree(source, target);
    else if (/\.(pack|idx|rev)$/.test(entry.name)) await link(source, target);
    else await copyFile(source, target, constants.COPYFILE_EXCL);
  }
}

/** Out of sight first: one that dies meanwhile leaves nothing that looks whole. */
async function discard(path: string, inWork: string): Promise<void> {
  const trash = join(inWork, `${randomBytes(8).toString("hex")}.trash`);
  await mkdir(inWork, { recursive: true, mode: 0o700 });
  try {
    await rename(path, trash);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  await rm(trash, { recursive: true, force: true });
}

/** What those have left who died. */
async function sweep(inWork: string): Promise<void> {
  for (const name of await namesIn(inWork)) {
    const stats = await lstat(join(inWork, name)).catch(() => null);
    if (stats && Date.now() - stats.mtimeMs > limits.repository_work_ms_max)
      await rm(join(inWork, name), { recursive: true, force: true });
  }
}

/** Those go first that nobody has used for longest. */
async function makeRoom(kept: string, inWork: string, bytes_max: number): Promise<void> {
  const found: { path: string; used_ms: number; bytes: number }[] = [];
  for (const key of await namesIn(kept)) {
    for (const n of await publishedIn(join(kept, key))) {
      const path = join(kept, key, String(n));
      const stats = await lstat(path).catch(() => null);
      if (stats) found.push({ path, used_ms: stats.mtimeMs, bytes: await sizeOf(path) });
    }
  }
  let total = found.reduce((sum, { bytes }) => sum + bytes, 0);
  for (const { path, bytes } of found.toSorted((a, b) => a.used_ms - b.used_ms)) {
    if (total <= bytes_max) return;
    await discard(path, inWork);
    total -= bytes;
  }
}

async function sizeOf(path: string): Promise<number> {
  const stats = await lstat(path).catch(() => null);
  if (!stats?.isDirectory()) return stats?.size ?? 0;
  let bytes = 0;
  for (const name of await namesIn(path)) bytes += await sizeOf(join(path, name));
  return bytes;
}
