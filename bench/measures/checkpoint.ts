import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { scanBounds } from "../../src/hands/checkpoints/scan.ts";
import { openSharedFolder } from "../../src/hands/checkpoints/shared-folder.ts";
import { type Taken, takeCheckpoint } from "../../src/hands/checkpoints/take.ts";
import type { Figure } from "../figure.ts";

const fileCount = 10_000;
const perFolder = 100;

/** What it costs to keep a workspace of many files of which none has changed, or one. */
export async function checkpoint(): Promise<Figure[]> {
  const root = mkdtempSync(join(tmpdir(), "drover-bench-checkpoint-"));
  try {
    const storage = openSharedFolder(join(root, "storage"), { known: null, make: true });
    if (!storage) throw new Error("no storage was made");
    const path = join(root, "workspace");
    for (let i = 0; i < fileCount; i++) {
      const folder = join(path, String(i % perFolder));
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, String(i)), `content ${i}`);
    }
    const request = {
      ...{
        session_id: "sesn_bench",
        sandbox_id: "sbx_bench",
        in_use: false,
        after_calls: ["call"],
        restored: null,
      },
      folders: [{ name: "workspace", path }],
      known_path: join(root, "known-files.json"),
      // What has just been written is as settled as what lay there before.
      bounds: { ...scanBounds, settled_ms: -1_000 },
    };
    const take = async (): Promise<Taken & { ms: number }> => {
      const start = performance.now();
      const taken = await takeCheckpoint(storage, request, new AbortController().signal);
      return { ...taken, ms: performance.now() - start };
    };
    const first = await take();
    const unchanged = await take();
    writeFileSync(join(path, "0/0"), "changed");
    const one = await take();
    const area = "checkpoint";
    return [
      { area, what: "10,000 files for the first time", unit: "ms", value: first.ms },
      {
        area,
        what: "10,000 files, none changed: files read",
        unit: "files",
        value: unchanged.files_read,
        bar: { at_most: 0 },
      },
      { area, what: "10,000 files, none changed", unit: "ms", value: unchanged.ms },
      {
        area,
        what: "10,000 files, one changed: files read",
        unit: "files",
        value: one.files_read,
        bar: { at_most: 1 },
      },
    ];
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}
