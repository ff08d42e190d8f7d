import {
  closeSync,
  fchmodSync,
  fchownSync,
  futimesSync,
  lchownSync,
  lutimesSync,
  mkdirSync,
  openSync,
  symlinkSync,
} from "node:fs";
import type { Contents } from "./contents.ts";
import { type ManifestEntry, toBytes } from "./manifest.ts";
import { type Folder, inFolder, openFolder } from "./places.ts";

/** To whom a file belongs from now on; null leaves it to the user of this process. */
export type OwnerOf = (
  path: Buffer,
  recorded: { uid: number; gid: number },
) => { uid: number; gid: number } | null;

interface OpenFolder extends Folder {
  name: Buffer;
  entry: ManifestEntry;
}

/** Writes entries into an empty folder, each folder of theirs before what is in it. */
export function unpack(root: string, entries: ManifestEntry[], contents: Contents, ownerOf: OwnerOf): void {
  const base = openFolder(Buffer.from(root));
  const open: OpenFolder[] = [];

  function close(folder: OpenFolder): void {
    finish(folder.fd, folder.entry);
    closeSync(folder.fd);
  }

  function finish(fd: number, entry: ManifestEntry): void {
    const owner = ownerOf(toBytes(entry.path), entry);
    if (owner) fchownSync(fd, owner.uid, owner.gid);
    fchmodSync(fd, entry.mode);
    futimesSync(fd, entry.mtime_ms / 1_000, entry.mtime_ms / 1_000);
  }

  try {
    for (const entry of entries) {
      const names = namesOf(entry);
      const name = names.at(-1) ?? Buffer.alloc(0);
      const shared = open.findIndex(
        (folder, i) => i >= names.length - 1 || !folder.name.equals(names[i] ?? name),
      );
      if (shared !== -1) for (const folder of open.splice(shared).toReversed()) close(folder);
      if (open.length !== names.length - 1) throw new Error(`${describe(entry)} has no folder before it`);
      const place = inFolder(open.at(-1) ?? base, name);
      switch (entry.type) {
        case "folder": {
          mkdirSync(place, { mode: 0o700 });
          open.push({ ...openFolder(place), name, entry });
          break;
        }
        case "file": {
          const fd = openSync(place, "wx", 0o600);
          try {
            contents.restore(entry.sha256, fd);
            finish(fd, entry);
          } finally {
            closeSync(fd);
          }
          break;
        }
        case "link": {
          symlinkSync(toBytes(entry.target), place);
          const owner = ownerOf(toBytes(entry.path), entry);
          if (owner) lchownSync(place, owner.uid, owner.gid);
          lutimesSync(place, entry.mtime_ms / 1_000, entry.mtime_ms / 1_000);
        }
      }
    }
  } finally {
    for (const folder of open.toReversed()) close(folder);
    closeSync(base.fd);
  }
}

function namesOf(entry: ManifestEntry): Buffer[] {
  const names = toBytes(entry.path)
    .toString("latin1")
    .split("/")
    .map((name) => Buffer.from(name, "latin1"));
  if (names.some((name) => ["", ".", ".."].includes(name.toString("latin1")) || name.includes(0)))
    throw new Error(`${describe(entry)} is no path of a backup`);
  return names;
}

const describe = ({ path }: ManifestEntry) => JSON.stringify(path);
