import { randomBytes } from "node:crypto";
import { linkSync, rmSync, writeFileSync } from "node:fs";

/** Whole or not at all, for its owner alone, and never over one that somebody else has just written. */
export function writeOnce(file: string, text: string): void {
  const part = `${file}.${randomBytes(6).toString("hex")}`;
  try {
    writeFileSync(part, text, { mode: 0o600, flag: "wx", flush: true });
    linkSync(part, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    rmSync(part, { force: true });
  }
}
