import { mkdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** As an OCI bundle names it. */
export interface Mount {
  type: "bind" | "tmpfs" | "proc";
  source: string;
  destination: string;
  options?: string[];
}

export const readOnly = (source: string, destination: string): Mount => ({
  type: "bind",
  source,
  destination,
  options: ["bind", "ro"],
});

export const readWrite = (source: string, destination: string): Mount => ({
  type: "bind",
  source,
  destination,
  options: ["bind", "rw"],
});

export const ofMemory = (destination: string, bytes: number): Mount => ({
  type: "tmpfs",
  source: "tmpfs",
  destination,
  options: ["nosuid", "nodev", "mode=1777", `size=${bytes}`],
});

/** In place of what gVisor puts there by itself. */
export const nothing = (destination: string): Mount => ({
  type: "tmpfs",
  source: "tmpfs",
  destination,
  options: ["ro", "nosuid", "nodev", "mode=755", "size=4096"],
});

/** The parts of a root filesystem, by what bwrap is told of them. */
export interface Parts {
  mounts: Mount[];
  links: { path: string; target: string }[];
  folders: string[];
}

export function readBwrapArguments(args: readonly string[]): Parts {
  const parts: Parts = { mounts: [], links: [], folders: [] };
  const words = [...args];
  const next = () => words.shift() ?? "";
  while (words.length > 0) {
    const option = next();
    if (option === "--dir") parts.folders.push(next());
    else if (option === "--symlink") parts.links.push({ target: next(), path: next() });
    else if (option === "--ro-bind" || option === "--ro-bind-try") {
      const [source, destination] = [next(), next()];
      if (option === "--ro-bind" || isThere(source)) parts.mounts.push(readOnly(source, destination));
    } else throw new Error(`a root filesystem is described with ${option}, which is not known here`);
  }
  return parts;
}

const isThere = (path: string) => statSync(path, { throwIfNoEntry: false }) !== undefined;

/** A folder that has all that is mounted upon, and the links. What is below a mount is there already. */
export function makeRoot(folder: string, { mounts, links, folders }: Parts): void {
  mkdirSync(folder, { recursive: true });
  for (const path of folders) mkdirSync(join(folder, path), { recursive: true });
  const covered: string[] = [];
  for (const { type, source, destination } of mounts) {
    if (covered.some((above) => destination.startsWith(`${above}/`))) continue;
    covered.push(destination);
    const path = join(folder, destination);
    mkdirSync(dirname(path), { recursive: true });
    // What is not there yet is mounted before the sandbox begins, and a folder.
    const isFile = type === "bind" && statSync(source, { throwIfNoEntry: false })?.isFile() === true;
    if (isFile) writeFileSync(path, "");
    else mkdirSync(path, { recursive: true });
  }
  for (const { path, target } of links) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    symlinkSync(target, join(folder, path));
  }
}
