import assert from "node:assert/strict";
import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Version {
  /** Of its own. */
  folder: string;
  main: string;
  remove(): void;
}

/** `[file, where, instead]`: each text stands in its file, where it is replaced once. */
export type Change = readonly [string, string, string];

const root = join(import.meta.dirname, "../..");

/** A copy of this version that differs in these places. */
export function changedVersion(changes: readonly Change[]): Version {
  const folder = mkdtempSync(join(tmpdir(), "drover-changed-"));
  // Its processes are of several users.
  chmodSync(folder, 0o755);
  cpSync(join(root, "src"), join(folder, "src"), { recursive: true });
  cpSync(join(root, "package.json"), join(folder, "package.json"));
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  for (const [file, where, instead] of changes) {
    const path = join(folder, file);
    const text = readFileSync(path, "utf8");
    assert.ok(text.includes(where), `${file} has changed: ${where}`);
    writeFileSync(
      path,
      text.replace(where, () => instead),
    );
  }
  return {
    folder,
    main: join(folder, "src/main.ts"),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
