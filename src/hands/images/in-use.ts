import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/**
 * Whether a process of this machine has something mounted from below a folder; of processes of others only root can tell.
 * What is mounted by itself is told by where it is now, and below the root of its disk: so by an end of its path that no
 * other one has. What is a layer of another mount is told by where it was.
 */
export function isMounted(...folders: string[]): boolean {
  const told = folders.map((folder) => `${escaped(folder)}/`);
  const seen = new Set<string>();
  return readdirSync("/proc").some((pid) => {
    const mounts = /^\d+$/.test(pid) ? mountsOf(pid, seen) : "";
    return told.some((folder) => mounts.includes(folder));
  });
}

const escaped = (path: string) =>
  path.replace(/[\s\\]/g, (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, "0")}`);

/** Empty for a process that has ended, is not ours to look into, or shares the mounts of one that was `seen`. */
function mountsOf(pid: string, seen: Set<string>): string {
  try {
    const namespace = readlinkSync(`/proc/${pid}/ns/mnt`);
    if (seen.has(namespace)) return "";
    seen.add(namespace);
    return readFileSync(`/proc/${pid}/mountinfo`, "utf8");
  } catch {
    return "";
  }
}
