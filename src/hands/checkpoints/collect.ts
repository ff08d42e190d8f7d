import { limits } from "../../limits.ts";
import { parseDocument } from "./documents.ts";
import { readManifest } from "./restore.ts";
import type { Collected, Storage } from "./storage.ts";

/**
 * Removes what no checkpoint names, nor has named lately. A manifest that cannot be read stops it: what it names is not
 * known.
 */
export async function collectBlobs(
  storage: Storage,
  grace_ms: number = limits.storage_grace_ms,
): Promise<Collected> {
  const read = new Map<string, readonly string[]>();
  return storage.collect(
    async (bytes) => {
      const sha256 = parseDocument(bytes)?.manifest;
      if (sha256 === undefined) throw new Error("a document of a checkpoint is damaged; nothing was removed");
      const known = read.get(sha256);
      if (known) return [];
      const manifest = await readManifest(storage, sha256);
      if (!manifest) throw new Error(`the manifest ${sha256} is missing or damaged; nothing was removed`);
      const named = manifest.entries.flatMap((entry) => (entry.type === "file" ? [entry.sha256] : []));
      read.set(sha256, []);
      return [sha256, ...named];
    },
    { grace_ms },
  );
}
