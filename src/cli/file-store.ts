import { accessSync, chownSync, constants, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import type { FileStoreSettings } from "../config/files.ts";
import type { UserIds } from "./user-ids.ts";

/** Makes the folder of files, if there is none, for the user that `serve` will run as. */
export function prepareFileStore(store: FileStoreSettings, user: UserIds | null): void {
  if (store.type === "folder") prepareFolder(store.path, user);
}

/** For that user alone. */
export function prepareFolder(path: string, user: UserIds | null): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o711 });
  const isNew = mkdirSync(path, { recursive: true, mode: 0o700 }) !== undefined;
  if (isNew && user) chownSync(path, user.uid, user.gid);
}

/** Whether this process can use it. */
export function requireUsable(store: FileStoreSettings): void {
  if (store.type !== "folder") return;
  try {
    accessSync(store.path, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new Error(
      `DROVER_FILES: the user that serve runs as (${process.getuid?.()}) cannot use it: ${(error as Error).message}`,
    );
  }
}
