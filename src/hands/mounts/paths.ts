import { limits } from "../../limits.ts";
import { type Mount, mountRoots } from "../wire.ts";

/** Where a file lies: beneath which of the roots, and there at which names. */
export interface Place {
  root: keyof typeof mountRoots;
  names: string[];
}

const roots = Object.entries(mountRoots) as [Place["root"], string][];

/** Throws for a path that does not lead to a place beneath a root, whatever else it may lead to. */
export function placeOf({ path }: Pick<Mount, "path">): Place {
  const root = roots.find(([, folder]) => path.startsWith(`${folder}/`));
  if (!root)
    throw new Error(`nothing can be mounted at ${shown(path)}: it is beneath none of the folders for that`);
  const names = path.slice(root[1].length + 1).split("/");
  const wrong = names.some((name) => name === "" || name === "." || name === "..") || !path.isWellFormed();
  if (wrong || /\p{Cc}/u.test(path))
    throw new Error(`nothing can be mounted at ${shown(path)}: it is no plain path`);
  const tooLong = names.some((name) => Buffer.byteLength(name) > limits.mount_name_bytes_max);
  if (tooLong || Buffer.byteLength(path) > limits.mount_path_bytes_max)
    throw new Error(`nothing can be mounted at ${shown(path)}: it is too long`);
  return { root: root[0], names };
}

const shown = (path: string): string => JSON.stringify(path.slice(0, 200));

/** What is to be in a folder: a name leads to a file or to another folder. */
export type Tree = Map<string, Mount | Tree>;

/** Throws where one path is of two files, or of a file and a folder. */
export function treesOf(mounts: readonly Mount[]): Record<Place["root"], Tree> {
  const trees = { uploads: new Map(), skills: new Map() } as Record<Place["root"], Tree>;
  for (const mount of mounts) {
    const { root, names } = placeOf(mount);
    let folder = trees[root];
    for (const name of names.slice(0, -1)) {
      const next = folder.get(name) ?? new Map();
      if (!(next instanceof Map))
        throw new Error(`${shown(next.path)} is a file, and ${shown(mount.path)} lies in it`);
      folder.set(name, next);
      folder = next;
    }
    const last = names.at(-1) ?? "";
    if (folder.has(last)) throw new Error(`${shown(mount.path)} is mounted twice`);
    folder.set(last, mount);
  }
  return trees;
}
