import { leftOut } from "../../../src/protocol/skill-folders.ts";

/** What was dropped or chosen: files each by itself, or folders as a whole. */

export interface Dropped {
  name: string;
  bytes: number;
  /** Paths begin with the name of the folder; of a single file it is its name. */
  files: { path: string; file: File }[];
  /** Why it is not taken. */
  refused?: string;
}

const single = (file: File): Dropped => ({
  name: file.name,
  bytes: file.size,
  files: [{ path: file.name, file }],
});

const tooMany = (name: string, filesMax: number): Dropped => ({
  name,
  bytes: 0,
  files: [],
  refused: `It has more than ${filesMax} files.`,
});

function folder(name: string, files: Dropped["files"], filesMax: number): Dropped {
  const bytes = files.reduce((sum, { file }) => sum + file.size, 0);
  if (files.length === 0) return { name, bytes, files, refused: "It is an empty folder." };
  if (files.length > filesMax) return tooMany(name, filesMax);
  return { name, bytes, files };
}

/** Of a field for files; one for folders tells of each file where it lay. */
export function chosenIn(list: FileList, filesMax: number): Dropped[] {
  const folders = new Map<string, Dropped["files"]>();
  const found: Dropped[] = [];
  for (const file of list) {
    const path = file.webkitRelativePath;
    const [top = "", ...within] = path.split("/");
    if (path === "") {
      found.push(single(file));
      continue;
    }
    const files = folders.get(top) ?? [];
    folders.set(top, files);
    if (!within.some((name) => leftOut.has(name))) files.push({ path, file });
  }
  return [...found, ...[...folders].map(([name, files]) => folder(name, files, filesMax))];
}

/** `filesMax`: of a folder; 0 where none is taken. The entries have to be taken while the event is there; what they hold is read afterwards. */
export function droppedIn(items: DataTransferItemList, filesMax: number): Promise<Dropped[]> {
  const taken = [...items].map((item) => ({ entry: item.webkitGetAsEntry(), file: item.getAsFile() }));
  return Promise.all(
    taken.map(async ({ entry, file }) => {
      // What comes from another page may be a file and no entry.
      if (entry === null || isFile(entry)) return file ? [single(file)] : [];
      const { name } = entry;
      if (filesMax === 0)
        return [{ name, bytes: 0, files: [], refused: "It is a folder: drop the files that are in it." }];
      try {
        const entries: FileSystemFileEntry[] = [];
        await gather(entry as FileSystemDirectoryEntry, entries, filesMax);
        if (entries.length > filesMax) return [tooMany(name, filesMax)];
        const files = entries.map(async (one) => ({ path: one.fullPath.slice(1), file: await fileOf(one) }));
        return [folder(name, await Promise.all(files), filesMax)];
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        return [{ name, bytes: 0, files: [], refused: `Not all of it can be read: ${why}` }];
      }
    }),
  ).then((found) => found.flat());
}

const isFile = (entry: FileSystemEntry): entry is FileSystemFileEntry => entry.isFile;
const fileOf = (entry: FileSystemFileEntry) =>
  new Promise<File>((resolve, reject) => entry.file(resolve, reject));

/** It ends once there are too many. */
async function gather(
  directory: FileSystemDirectoryEntry,
  entries: FileSystemFileEntry[],
  filesMax: number,
): Promise<void> {
  const reader = directory.createReader();
  while (entries.length <= filesMax) {
    // A reader tells of some at a time, and of none at the end.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (some.length === 0) return;
    for (const entry of some)
      if (leftOut.has(entry.name)) continue;
      else if (isFile(entry)) entries.push(entry);
      else await gather(entry as FileSystemDirectoryEntry, entries, filesMax);
  }
}
