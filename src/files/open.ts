import { randomBytes } from "node:crypto";
import type { FileStoreSettings } from "../config/files.ts";
import type { Database, Statement } from "../db/database.ts";
import { folderStore } from "./folder.ts";
import { s3Store } from "./s3/s3.ts";
import { type FileStore, FileStoreAway } from "./store.ts";

export const openFileStore = (settings: FileStoreSettings): FileStore =>
  settings.type === "folder" ? folderStore(settings.path) : s3Store(settings);

const find: Statement = { name: "file_store_find", text: "select id from file_store" };

/** The first store that a database is used with is its own. */
const settle: Statement = {
  name: "file_store_settle",
  text: `insert into file_store (id) values ($1) on conflict (only_row) do nothing`,
};

/**
 * Refuses a store that is not the one of this database: what other servers have kept would not be in it, nor would they find
 * what this one keeps. Of one that does not answer nothing can be said.
 */
export async function requireOwnStore(
  db: Database,
  store: FileStore,
  away: (error: FileStoreAway) => void,
): Promise<void> {
  try {
    const [known] = await db.query<{ id: string }>(find, []);
    const found = await store.identify(known ? null : randomBytes(16).toString("hex"));
    if (!known) await db.query(settle, [found]);
    const [own] = await db.query<{ id: string }>(find, []);
    if (own?.id !== found) throw notOwn(store, found);
  } catch (error) {
    if (!(error instanceof FileStoreAway)) throw error;
    away(error);
  }
}

const notOwn = (store: FileStore, found: string | null) =>
  new Error(
    found === null
      ? `DROVER_FILES: ${store.place} is not the file store that this database goes with; is it mounted?`
      : `DROVER_FILES: ${store.place} is the file store of another database; all servers of one need the same`,
  );
