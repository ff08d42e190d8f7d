import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { TestServer } from "./server.ts";

/** Keys of all that is in the folder of a store, whole or in part. */
export function keysIn(folder: string): { blobs: string[]; incoming: string[] } {
  const filesIn = (name: string) =>
    existsSync(join(folder, name))
      ? readdirSync(join(folder, name), { recursive: true, withFileTypes: true }).flatMap((entry) =>
          entry.isFile() ? [entry.name] : [],
        )
      : [];
  return { blobs: filesIn("blobs").toSorted(), incoming: filesIn("incoming").toSorted() };
}

const known = {
  name: "test_known_keys",
  text: `select coalesce(array_agg(key order by key), '{}') as blobs,
    (select coalesce(array_agg(key order by key), '{}') from stray_blob) as strays from blob`,
};

/** What the folder holds is what the database says of it, and nothing of it is half there. */
export async function nothingLeft({ db, files }: Pick<TestServer, "db" | "files">): Promise<void> {
  const [row] = await db.query<{ blobs: string[]; strays: string[] }>(known, []);
  assert.deepEqual(row?.strays, []);
  assert.deepEqual(keysIn(files), { blobs: row?.blobs, incoming: [] });
}
