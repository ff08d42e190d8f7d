import { type BigIntStats, closeSync, constants, fstatSync, lstatSync, openSync } from "node:fs";
import { place } from "../checkpoints/scan.ts";
import type { KeptFolder } from "../driver.ts";

/** Where a sandbox writes its outputs, and whose they are. */
export type OutputsFolder = Pick<KeptFolder, "path" | "owner">;

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;

export const openFolder = (at: Buffer | string): number =>
  openSync(at, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK);

/** Looked at before it is opened: it may be a device by now. */
export function openFile(at: Buffer): number | null {
  return lstatSync(at).isFile() ? openSync(at, O_RDONLY | O_NOFOLLOW | O_NONBLOCK) : null;
}

/**
 * Opens what lies at a path beneath a folder. Each part is looked up in a folder that is held open and no link is followed, so
 * that nothing outside is reached however things are moved about meanwhile. Null where there is no such file.
 */
export function openBeneath(root: OutputsFolder, path: string): number | null {
  const names = path.split("/");
  if (names.some((name) => name === "" || name === "." || name === ".." || name.includes("\0"))) return null;
  const file = names.pop() ?? "";
  let folder: number | null = null;
  try {
    folder = openFolder(root.path);
    for (const name of names) {
      const next = openFolder(place(folder, Buffer.from(name)));
      closeSync(folder);
      folder = next;
    }
    return openFile(place(folder, Buffer.from(file)));
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  } finally {
    if (folder !== null) closeSync(folder);
  }
}

/** It was removed or is something else by now, or cannot be read. */
export const isGone = (error: unknown): boolean =>
  ["ENOENT", "ELOOP", "ENOTDIR", "EINVAL", "ENXIO", "EACCES", "EPERM", "EISDIR", "ENAMETOOLONG"].includes(
    (error as NodeJS.ErrnoException).code ?? "",
  );

/** No program in a sandbox can write to a file, or put another one in its place, and have it look as before. */
export const versionOf = ({ ino, size, mtimeNs, ctimeNs }: BigIntStats): string =>
  `${ino}-${size}-${mtimeNs}-${ctimeNs}`;

/** Why a file of a sandbox is none of its own; null if it is. */
export function foreign(stats: BigIntStats, { owner }: OutputsFolder): string | null {
  const uid = owner ? owner.uid : process.getuid?.();
  return uid === undefined || stats.uid === BigInt(uid) ? null : "it belongs to somebody else";
}

export const statsOf = (fd: number): BigIntStats => fstatSync(fd, { bigint: true });
