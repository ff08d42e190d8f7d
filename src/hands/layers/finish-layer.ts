import { execFile } from "node:child_process";
import { lstatSync, rmSync, type Stats, writeFileSync } from "node:fs";
import { chmod, lstat, readdir, rmdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { Unavailable } from "../driver.ts";
import { ownEtcNames } from "../drivers/root-filesystem.ts";
import { bytesOf } from "../images/archive/inside-root.ts";
import type { Image } from "../images/images.ts";
import type { LayerFolders } from "./layer.ts";
import { requireFolder } from "./mount-points.ts";

/**
 * Makes what installers have left one of sandboxes: readable by all, with nothing that changes who a program runs as. What
 * was installed could do what it liked with it until now, so nothing in it is believed, and no link followed. Resolves with
 * its size.
 */
export async function finishLayer({ upper }: LayerFolders, image: Image | null): Promise<number> {
  await chmod(upper, 0o755);
  for (const name of ["etc", "var", "usr"])
    requireFolder(name, lstatSync(join(upper, name), { throwIfNoEntry: false }));
  for (const name of ownEtcNames) {
    const path = join(upper, "etc", name);
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found?.isFile() || (!found && image)) continue;
    rmSync(path, { recursive: true, force: true });
    writeFileSync(path, "", { mode: 0o644, flag: "wx" });
  }
  const { bytes } = await settled(upper, image ? null : "");
  await promisify(execFile)("sync", ["-f", upper]);
  return bytes;
}

/**
 * Names are bytes, one character each. Of the folders that were made because the host has them, which is `below`, those go
 * in which nothing has come to be.
 */
async function settled(folder: string, below: string | null): Promise<{ bytes: number; left: number }> {
  const all = { bytes: 0, left: 0 };
  for (const name of await readdir(bytesOf(folder), { encoding: "buffer" })) {
    const path = `${folder}/${name.toString("latin1")}`;
    if (path.length > pathBytesMax) throw new Unavailable("the packages have made folders that lie too deep");
    const onHost = below === null ? null : `${below}/${name.toString("latin1")}`;
    const found = await lstat(bytesOf(path));
    all.bytes += found.blocks * blockBytes;
    all.left += 1;
    if (found.isDirectory()) {
      await setMode(path, found, 0o755);
      const { bytes, left } = await settled(path, onHost);
      all.bytes += bytes;
      if (left > 0 || !onHost?.startsWith("/usr/")) continue;
      const isThere = await lstat(bytesOf(onHost)).catch(() => null);
      if (!isThere?.isDirectory()) continue;
      await rmdir(bytesOf(path));
      all.left -= 1;
    } else if (found.isFile()) await setMode(path, found, 0o644 | (found.mode & 0o100 ? 0o111 : 0));
    else if (!found.isSymbolicLink() && !isWhiteout(found)) await unlink(bytesOf(path));
  }
  return all;
}

async function setMode(path: string, { mode }: Stats, right: number): Promise<void> {
  if ((mode & 0o7777) !== right) await chmod(bytesOf(path), right);
}

const blockBytes = 512;
/** With some room for what stands before it where a sandbox sees it. */
const pathBytesMax = 4_000;

/** What an overlay notes as removed. */
const isWhiteout = (found: Stats) => found.isCharacterDevice() && found.rdev === 0;
