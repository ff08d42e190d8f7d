import {
  chmodSync,
  closeSync,
  futimesSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { bytesOf, type InsideRoot } from "./inside-root.ts";
import { readTar, type TarEntry } from "./tar.ts";

/** What an image may come to, and has come to by now. */
export interface Room {
  files: number;
  /** Bytes of archives as they are once unpacked. */
  bytes: number;
  files_max: number;
  bytes_max: number;
  /** Entries that have no place in a sandbox: devices, pipes. */
  left_out: number;
}

const whiteout = ".wh.";
const opaque = ".wh..wh..opq";

/**
 * Puts a layer over what the layers below it have made. Everything in it becomes readable by all, changeable by its owner
 * alone, and nothing changes who a program runs as.
 */
export async function applyLayer(
  archive: AsyncIterable<Buffer>,
  root: InsideRoot,
  room: Room,
): Promise<void> {
  /** What this layer has made: what it hides is of the ones below. */
  const own = new Set<string>();
  for await (const entry of readTar(archive)) {
    room.files += 1;
    if (room.files > room.files_max)
      throw new Error(`the image has more than ${room.files_max} files and folders`);
    const parts = entry.path.split("/").filter((part) => part !== "" && part !== ".");
    const name = parts.pop();
    if (name === undefined) continue;
    if (name === ".." || parts.includes(".."))
      throw new Error("the archive names a path that leads out of the image");
    if (entry.path.includes("\0")) throw new Error("the archive is damaged: a name in it holds a NUL byte");
    const folder = root.folder(parts);
    if (name === opaque) hide(folder, own, root);
    else if (name.startsWith(whiteout)) remove(`${folder}/${name.slice(whiteout.length)}`, own, root);
    else if (entry.type === "other") room.left_out += 1;
    else {
      await put(entry, `${folder}/${name}`, root);
      own.add(`${folder}/${name}`);
      for (let above = folder; !own.has(above); above = dirname(above)) own.add(above);
    }
  }
}

async function put(entry: TarEntry, path: string, root: InsideRoot): Promise<void> {
  const found = lstatSync(bytesOf(path), { throwIfNoEntry: false });
  if (entry.type === "folder") {
    if (found && !found.isDirectory()) removeAll(path, root);
    if (!found?.isDirectory()) mkdirSync(bytesOf(path));
    return chmodSync(bytesOf(path), 0o755);
  }
  if (entry.type === "hard_link") {
    const target = linked(entry.target, root);
    if (target === path) return;
    if (found) removeAll(path, root);
    return linkSync(bytesOf(target), bytesOf(path));
  }
  if (found) removeAll(path, root);
  if (entry.type === "link") {
    symlinkSync(bytesOf(entry.target), bytesOf(path));
    return root.changed();
  }
  const file = openSync(bytesOf(path), "wx", readable(entry.mode));
  try {
    for await (const chunk of entry.content) writeFileSync(file, chunk);
    futimesSync(file, entry.modified_s, entry.modified_s);
  } finally {
    closeSync(file);
  }
}

/** A file of the image: the link itself, not where it leads. */
function linked(target: string, root: InsideRoot): string {
  const parts = target.split("/").filter((part) => part !== "" && part !== ".");
  const name = parts.pop();
  const folder = parts.includes("..") ? null : root.find(parts);
  const path = `${folder}/${name}`;
  const found = folder === null ? undefined : lstatSync(bytesOf(path), { throwIfNoEntry: false });
  if (name === undefined || name === ".." || !found || found.isDirectory())
    throw new Error("the archive is damaged: it links a file that is not in the image");
  return path;
}

const readable = (mode: number) => 0o644 | (mode & 0o100 ? 0o111 : 0);

function removeAll(path: string, root: InsideRoot): void {
  rmSync(bytesOf(path), { recursive: true, force: true });
  root.changed();
}

/** What lies below at a path, and not what this layer has put there. */
function remove(path: string, own: Set<string>, root: InsideRoot): void {
  if (path.endsWith("/") || path.endsWith("/.") || path.endsWith("/..")) return;
  if (!own.has(path)) removeAll(path, root);
  else if (lstatSync(bytesOf(path), { throwIfNoEntry: false })?.isDirectory()) hide(path, own, root);
}

function hide(folder: string, own: Set<string>, root: InsideRoot): void {
  for (const name of readdirSync(bytesOf(folder), "buffer"))
    remove(`${folder}/${name.toString("latin1")}`, own, root);
}
