import { closeSync, readSync } from "node:fs";
import { foreign, type OutputsFolder, openBeneath, statsOf, versionOf } from "./open.ts";

export interface OutputPart {
  path: string;
  version: string;
  offset: number;
  length: number;
}

/** Null when there is no such output any more. What comes was read while it was as its version says. */
export function readOutput(
  root: OutputsFolder,
  { path, version, offset, length }: OutputPart,
): Buffer | null {
  const fd = openBeneath(root, path);
  if (fd === null) return null;
  try {
    const isAsListed = () => {
      const stats = statsOf(fd);
      return stats.isFile() && foreign(stats, root) === null && versionOf(stats) === version;
    };
    if (!isAsListed()) return null;
    const data = Buffer.allocUnsafe(length);
    let read = 0;
    while (read < length) {
      const more = readSync(fd, data, read, length - read, offset + read);
      if (more === 0) break;
      read += more;
    }
    return isAsListed() ? data.subarray(0, read) : null;
  } finally {
    closeSync(fd);
  }
}
