import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Packing, packBelow } from "./pack.ts";

/**
 * Sandboxes whose environment limits their disk have one of their own: a file `disk.img`, mounted at `disk` while somebody
 * needs it. One that is mounted is copied file by file, and restored as a folder; any other as the file that it is.
 */
export function packSandboxes(packing: Packing, hands: string, wanted: (path: string) => boolean): void {
  const sandboxes = join(hands, "sandboxes");
  const inUse = disksInUse(sandboxes);
  const isInUse = (id: string) => inUse.has(id);
  packBelow(packing, "hands", hands, (path) => {
    const [, id = "", what = ""] = /^sandboxes\/([^/]+)\/(disk(?:\/|\.img$))/.exec(path) ?? [];
    return wanted(path) && what !== "disk/" && !(what === "disk.img" && isInUse(id));
  });
  for (const id of existsSync(sandboxes) ? readdirSync(sandboxes).filter(isInUse) : []) {
    if (isMounted(sandboxes, id))
      packBelow(packing, `hands/sandboxes/${id}`, join(sandboxes, id, "disk"), (path) =>
        sandboxFolder.test(path),
      );
    else
      packing.leftOut.push({
        path: `hands/sandboxes/${id}/disk`,
        why: "is mounted where only `hands` sees it",
      });
  }
}

const sandboxFolder = /^(workspace|home|outputs)(\/|$)/;

const letGoMsMax = 3_000;
const pollMs = 50;

/** Sandboxes whose disk somebody has. The kernel lets go of one a moment after it was unmounted. */
function disksInUse(sandboxes: string): Set<string> {
  const until = Date.now() + letGoMsMax;
  for (;;) {
    const attached = attachedFiles();
    const ids = (existsSync(sandboxes) ? readdirSync(sandboxes) : []).filter((id) =>
      attached.has(join(sandboxes, id, "disk.img")),
    );
    if (ids.every((id) => isMounted(sandboxes, id)) || Date.now() >= until) return new Set(ids);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pollMs);
  }
}

const isMounted = (sandboxes: string, id: string): boolean =>
  statSync(join(sandboxes, id, "disk")).dev !== statSync(join(sandboxes, id)).dev;

/** What the machine's loop devices hold. */
function attachedFiles(): Set<string> {
  const devices = existsSync("/sys/block") ? readdirSync("/sys/block") : [];
  const files = devices.map((device) => `/sys/block/${device}/loop/backing_file`).filter(existsSync);
  return new Set(files.flatMap((file) => readNow(file)));
}

/** None of one that is let go right now. */
function readNow(file: string): string[] {
  try {
    return [readFileSync(file, "utf8").trim()];
  } catch {
    return [];
  }
}
