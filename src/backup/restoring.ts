import { existsSync, readdirSync } from "node:fs";

/** While this is there the data directory is not whole, and nothing starts on it. */
export const restoringFolder = "restoring";

/** Refuses a data directory that holds anything but what a restore that was cut short has left. */
export function requireEmpty(dataDir: string): void {
  if (!existsSync(dataDir)) return;
  const held = readdirSync(dataDir).filter((name) => name !== "lost+found" && name !== "lock");
  if (held.length === 0 || held.includes(restoringFolder)) return;
  throw new Error(
    `${dataDir} is not empty: restore into another folder (DROVER_DATA_DIR), or move what is there away`,
  );
}
