import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  type Stats,
} from "node:fs";
import { limits } from "../limits.ts";

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
const slash = Buffer.from("/");

/** A folder that is held open: what is named below it cannot be led elsewhere by a symlink that comes in its way. */
export interface Folder {
  fd: number;
  path: Buffer;
}

export function openFolder(path: Buffer): Folder {
  return { fd: openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW), path };
}

/** How the system is told of a name in it. */
export const inFolder = ({ fd, path }: Folder, name: Buffer): Buffer =>
  Buffer.concat([process.platform === "linux" ? Buffer.from(`/proc/self/fd/${fd}`) : path, slash, name]);

/** What a walk comes by; a file is open while it is looked at. */
export type Found = { path: Buffer; stats: Stats } & (
  | { type: "folder" }
  | { type: "file"; fd: number }
  | { type: "link"; target: Buffer }
  | { type: "other"; why: string }
);

/**
 * Everything below a folder, each folder before what is in it, by name. What others remove meanwhile is passed over. Those
 * who own what is below may be hostile: no symlink is followed, and nothing is opened that could block.
 */
export function* walk(
  root: string,
  wanted: (path: string) => boolean = () => true,
  order: (names: Buffer[]) => Buffer[] = (names) => names,
): Generator<Found> {
  const folder = openFolder(Buffer.from(root));
  try {
    yield* walkIn(folder, Buffer.alloc(0), 0, wanted, order);
  } finally {
    closeSync(folder.fd);
  }
}

function* walkIn(
  folder: Folder,
  above: Buffer,
  depth: number,
  wanted: (path: string) => boolean,
  order: (names: Buffer[]) => Buffer[],
): Generator<Found> {
  const names = readdirSync(inFolder(folder, Buffer.from(".")), { encoding: "buffer" }).toSorted(
    Buffer.compare,
  );
  for (const name of depth === 0 ? order(names) : names) {
    const path = depth === 0 ? name : Buffer.concat([above, slash, name]);
    if (!wanted(path.toString())) continue;
    const place = inFolder(folder, name);
    const stats = lstatSync(place, { throwIfNoEntry: false });
    if (!stats) continue;
    if (stats.isSymbolicLink()) {
      const target = attempt(() => readlinkSync(place, { encoding: "buffer" }));
      if (Buffer.isBuffer(target)) yield { type: "link", path, stats, target };
    } else if (stats.isDirectory() || stats.isFile()) {
      yield* opened(place, path, depth, wanted, stats);
    } else {
      yield { type: "other", path, stats, why: "is neither a file, a folder nor a link" };
    }
  }
}

function* opened(
  place: Buffer,
  path: Buffer,
  depth: number,
  wanted: (path: string) => boolean,
  seen: Stats,
): Generator<Found> {
  const fd = attempt(() => openSync(place, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  if (fd instanceof Error) {
    const { code } = fd as NodeJS.ErrnoException;
    if (code !== "ENOENT" && code !== "ELOOP") yield { type: "other", path, stats: seen, why: fd.message };
    return;
  }
  try {
    const stats = fstatSync(fd);
    if (stats.isFile()) yield { type: "file", path, stats, fd };
    if (!stats.isDirectory()) return;
    if (depth >= limits.backup_folders_deep_max) {
      yield {
        type: "other",
        path,
        stats,
        why: `lies more than ${limits.backup_folders_deep_max} folders deep`,
      };
      return;
    }
    yield { type: "folder", path, stats };
    yield* walkIn({ fd, path: place }, path, depth + 1, wanted, (names) => names);
  } finally {
    closeSync(fd);
  }
}

function attempt<Result>(run: () => Result): Result | Error {
  try {
    return run();
  } catch (error) {
    return error as Error;
  }
}
