import type { Dirent } from "node:fs";
import { chmod, copyFile, link, lstat, mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { syncFile, syncFolder } from "../blobs/disk.ts";
import type { Mount } from "../wire.ts";
import type { Tree } from "./paths.ts";

/** Where the files of a tree come from. */
export interface Supply {
  /** On the same disk as the folder that is filled; whatever is there is left over. */
  parts: string;
  /** The file with the content. Throws when it is not here any more. */
  source(mount: Mount): Promise<string>;
}

/**
 * Makes a folder have what is in the tree and nothing else. Each file is swapped as a whole, so that whoever reads it has the
 * one or the other. The folder is the host's own: what is no file or folder there, nobody meant to be, and no link is followed.
 */
export async function fill(folder: string, tree: Tree, supply: Supply): Promise<void> {
  let changed = false;
  const there = new Map<string, Dirent>();
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const wanted = tree.get(entry.name);
    const fits = wanted instanceof Map ? entry.isDirectory() : wanted !== undefined && entry.isFile();
    if (fits) there.set(entry.name, entry);
    else {
      await rm(join(folder, entry.name), { recursive: true, force: true });
      changed = true;
    }
  }
  for (const [name, wanted] of tree) {
    const path = join(folder, name);
    if (wanted instanceof Map) {
      if (!there.has(name)) {
        await mkdir(path);
        changed = true;
      }
      await chmod(path, 0o755);
      await fill(path, wanted, supply);
    } else {
      const source = await supply.source(wanted);
      if (there.has(name) && (await isSame(path, source))) continue;
      await place(source, path, join(supply.parts, "file"));
      changed = true;
    }
  }
  if (changed) await syncFolder(folder);
}

async function isSame(path: string, source: string): Promise<boolean> {
  const [here, there] = await Promise.all([lstat(path), stat(source)]);
  return here.ino === there.ino && here.dev === there.dev;
}

async function place(source: string, path: string, part: string): Promise<void> {
  await rm(part, { force: true });
  await linkOrCopy(source, part);
  await rename(part, path);
}

/** Links end at the disk, and there may be too many to one file. */
async function linkOrCopy(source: string, path: string): Promise<void> {
  try {
    await link(source, path);
  } catch (error) {
    if (!["EXDEV", "EMLINK", "EPERM", "ENOTSUP"].includes((error as NodeJS.ErrnoException).code ?? ""))
      throw error;
    await copyFile(source, path);
    await chmod(path, (await stat(source)).mode & 0o777);
    await syncFile(path);
  }
}
