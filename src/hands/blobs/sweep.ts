import type { Stats } from "node:fs";
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { limits } from "../../limits.ts";

export interface SweepBounds {
  unused_ms: number;
  unused_bytes_max: number;
  rest_ms: number;
}

interface Found {
  path: string;
  about: Stats;
  unused_ms: number;
}

/**
 * Removes contents that no sandbox links to: those of which that has been so for long, and of the others the oldest when they
 * are too much. A link that comes or goes moves the time by which that is told, and so does whoever asks for the content; who
 * makes a link to what is removed at that moment has it or finds it missing.
 */
export async function sweep(
  { folder, parts, now }: { folder: string; parts: string; now: number },
  bounds: SweepBounds,
): Promise<void> {
  for (const part of await filesIn(parts, now))
    if (part.unused_ms > limits.hands_blob_part_ms) await rm(part.path, { force: true });

  const unused = (await filesIn(folder, now)).filter(({ about }) => about.nlink === 1);
  unused.sort((a, b) => b.unused_ms - a.unused_ms);
  let bytes = unused.reduce((sum, { about }) => sum + about.size, 0);
  for (const { path, about, unused_ms } of unused) {
    const isOver = unused_ms > bounds.unused_ms;
    const isTooMuch = bytes > bounds.unused_bytes_max && unused_ms > bounds.rest_ms;
    if (!isOver && !isTooMuch) return;
    await rm(path, { force: true });
    bytes -= about.size;
  }
}

async function filesIn(folder: string, now: number): Promise<Found[]> {
  const found: Found[] = [];
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const about = await stat(path).catch(() => null);
    if (about?.isFile()) found.push({ path, about, unused_ms: now - about.ctimeMs });
  }
  return found;
}
