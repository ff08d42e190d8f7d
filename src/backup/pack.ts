import { lstatSync } from "node:fs";
import { join } from "node:path";
import type { Contents } from "./contents.ts";
import { fromBytes, type ManifestEntry } from "./manifest.ts";
import { type Found, walk } from "./places.ts";

export interface Packing {
  contents: Contents;
  entries: ManifestEntry[];
  /** What cannot be in a backup, and why. */
  leftOut: { path: string; why: string }[];
}

/** Adds a folder under a name of its own, and everything below it. */
export function packFolder(
  packing: Packing,
  name: string,
  folder: string,
  wanted?: (path: string) => boolean,
  order?: (names: Buffer[]) => Buffer[],
): void {
  packing.entries.push({ type: "folder", ...aboutOf({ stats: lstatSync(folder) }, Buffer.from(name)) });
  packBelow(packing, name, folder, wanted, order);
}

export function packBelow(
  packing: Packing,
  name: string,
  folder: string,
  wanted?: (path: string) => boolean,
  order?: (names: Buffer[]) => Buffer[],
): void {
  for (const found of walk(folder, wanted, order)) add(packing, name, found);
}

function add({ contents, entries, leftOut }: Packing, name: string, found: Found): void {
  if (found.type === "other") {
    leftOut.push({ path: join(name, found.path.toString()), why: found.why });
    return;
  }
  const about = aboutOf(found, Buffer.concat([Buffer.from(`${name}/`), found.path]));
  switch (found.type) {
    case "folder":
      entries.push({ type: "folder", ...about });
      return;
    case "file":
      entries.push({ type: "file", ...about, ...contents.keep(found.fd) });
      return;
    case "link":
      entries.push({ type: "link", ...about, target: fromBytes(found.target) });
  }
}

const aboutOf = ({ stats }: Pick<Found, "stats">, path: Buffer) => ({
  path: fromBytes(path),
  mode: stats.mode & 0o7777,
  uid: stats.uid,
  gid: stats.gid,
  mtime_ms: stats.mtimeMs,
});

/** Adds a file that only its owner may touch. */
export function packText(
  { contents, entries }: Packing,
  path: string,
  text: string | Buffer,
  owner: { uid: number; gid: number },
): void {
  const about = { path, mode: 0o600, ...owner, mtime_ms: Date.now() };
  entries.push({ type: "file", ...about, ...contents.keepText(text) });
}
