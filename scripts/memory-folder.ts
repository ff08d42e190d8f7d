import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmdirSync } from "node:fs";
import { release, tmpdir } from "node:os";
import { join } from "node:path";

export interface MemoryFolder {
  path: string;
  remove(): void;
}

const bytes = 6 * 2 ** 30;

/**
 * A folder of which nothing reaches a disk: with their thousands of small files, a usual disk takes a third of the time
 * that the tests need. Null where it would use up the memory of this machine or may not be mounted, and before Linux 6.6,
 * whose file systems in memory have not all that overlays need.
 */
export function memoryFolder(): MemoryFolder | null {
  const [major = 0, minor = 0] = release().split(".").map(Number);
  if (process.platform !== "linux" || major < 6 || (major === 6 && minor < 6)) return null;
  const available = /^MemAvailable: +(\d+) kB$/m.exec(readFileSync("/proc/meminfo", "utf8"))?.[1];
  if (Number(available) * 1024 < 2 * bytes) return null;
  const path = mkdtempSync(join(tmpdir(), "drover-test-"));
  const { status } = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${bytes},mode=1777`, "tmpfs", path]);
  const remove = () => rmdirSync(path);
  if (status === 0)
    return {
      path,
      remove() {
        // What a test has left running there goes with it.
        spawnSync("umount", ["--lazy", path]);
        remove();
      },
    };
  remove();
  return null;
}
