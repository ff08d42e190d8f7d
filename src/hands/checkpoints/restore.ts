import { createHash, randomUUID } from "node:crypto";
import { statSync, writeFileSync } from "node:fs";
import { limits } from "../../limits.ts";
import type { Restored } from "../wire.ts";
import { syncFileSystem } from "./batch.ts";
import { type CheckpointDocument, checkpointOf, nameOf, placesOf, readCheckpoint } from "./documents.ts";
import { type FillFolder, fill } from "./fill.ts";
import { decodeManifest, type Manifest } from "./manifest.ts";
import { BlobMissing, type Storage } from "./storage.ts";
import { remember } from "./take.ts";

export interface RestoreRequest {
  session_id: string;
  /** Empty folders that no sandbox can reach yet. */
  folders: FillFolder[];
  /** The folder above them, which takes its place as a whole. */
  staging: string;
  known_path: string;
  /** Where it is written what became of it, before the workspace takes its place. */
  report_path: string;
}

/**
 * Fills empty folders with the newest checkpoint that can be read. A file that is missing or damaged in the storage costs
 * that file alone. Throws when the storage does not answer, or the host has no room: then it is worth trying again.
 */
export async function restoreCheckpoint(
  storage: Storage,
  request: RestoreRequest,
  signal: AbortSignal,
): Promise<Restored> {
  const { session_id, known_path } = request;
  const { found, skipped } = await newestReadable(storage, session_id);
  if (!found)
    return report(request, { checkpoint: null, missing: [], missing_count: 0, skipped, untold: [] });
  const { untold } = found.document;
  const checkpoint = checkpointOf(found.document);
  const { missing, missing_count, known } = await fill(storage, found.manifest, request.folders, signal);
  const document = nameOf(session_id, checkpoint);
  remember({ known_path }, { storage_id: storage.id, document, read_at_ms: Date.now(), files: known });
  // The folders may lie on a disk of their own.
  const paths = [...request.folders.map(({ path }) => path), request.staging];
  for (const path of new Map(paths.map((path) => [statSync(path).dev, path])).values())
    if (!(await syncFileSystem(path))) throw new Error("`sync -f` failed");
  return report(request, { checkpoint, missing, missing_count, skipped, untold });
}

function report({ report_path }: RestoreRequest, outcome: Omit<Restored, "id">): Restored {
  const restored = { id: randomUUID(), ...outcome };
  writeFileSync(report_path, JSON.stringify(restored), { mode: 0o600, flush: true });
  return restored;
}

interface Readable {
  document: CheckpointDocument;
  manifest: Manifest;
}

async function newestReadable(
  storage: Storage,
  session_id: string,
): Promise<{ found: Readable | null; skipped: number }> {
  const places = await placesOf(storage, session_id);
  for (const [skipped, place] of places.toReversed().entries()) {
    const document = await readCheckpoint(storage, session_id, place);
    const manifest = document && (await readManifest(storage, document.manifest));
    if (manifest) return { found: { document, manifest }, skipped };
  }
  return { found: null, skipped: places.length };
}

/** Null when it is missing, damaged, or of a version that is not known here. */
export async function readManifest(storage: Storage, sha256: string): Promise<Manifest | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of storage.read(sha256)) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > limits.checkpoint_manifest_bytes_max) return null;
    }
  } catch (error) {
    if (error instanceof BlobMissing) return null;
    throw error;
  }
  const data = Buffer.concat(chunks);
  if (createHash("sha256").update(data).digest("hex") === sha256) return decoded(data);
  await storage.setAside(sha256);
  return null;
}

function decoded(data: Buffer): Manifest | null {
  try {
    return decodeManifest(data);
  } catch {
    return null;
  }
}
