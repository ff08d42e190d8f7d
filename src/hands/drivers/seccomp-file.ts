import { mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { architecture, type FilterOptions, seccompFilter } from "./seccomp.ts";

/** A descriptor from which bwrap reads the filter, once. */
export function openFilter(options: FilterOptions = {}): number {
  const folder = mkdtempSync(join(tmpdir(), "drover-filter-"));
  try {
    const path = join(folder, "filter");
    writeFileSync(path, seccompFilter(architecture(), options));
    return openSync(path, "r");
  } finally {
    rmSync(folder, { recursive: true });
  }
}
