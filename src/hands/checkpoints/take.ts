import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { failpoint } from "../../failpoints.ts";
import { limits } from "../../limits.ts";
import type { Checkpoint, Restored } from "../wire.ts";
import { type CheckpointDocument, checkpointOf, nameOf, placesOf, readCheckpoint } from "./documents.ts";
import { decodeKnownFiles, encodeKnownFiles, type Known, type KnownFiles } from "./known-files.ts";
import { encodeManifest, sizeOf } from "./manifest.ts";
import { type ScanBounds, scan } from "./scan.ts";
import type { Batch, Blob, Storage } from "./storage.ts";
import { surplus } from "./surplus.ts";

export interface TakeRequest {
  session_id: string;
  sandbox_id: string;
  folders: { name: string; path: string }[];
  /** Where it is remembered which files were read. */
  known_path: string;
  after_calls: string[];
  /** What uses the workspace may change it meanwhile. */
  in_use: boolean;
  /** How it had begun, if nobody is known to have been told of that. */
  restored: Restored | null;
  bounds?: ScanBounds;
}

export interface Taken {
  /** Null: nothing has changed, and no call has ended, since the one before. */
  checkpoint: Checkpoint | null;
  files_read: number;
}

/**
 * Puts what has changed into the storage, then the manifest that names all of it, and at last the document that makes it
 * a checkpoint. Ended anywhere before that, it leaves none, and what it has read by then is not read again.
 */
export async function takeCheckpoint(
  storage: Storage,
  request: TakeRequest,
  signal: AbortSignal,
): Promise<Taken> {
  const { session_id, sandbox_id } = request;
  const before = await knownFiles(storage, request);
  const known: Known = new Map(before?.files);
  const batch = await storage.begin();
  try {
    const scanned = await scan({
      folders: request.folders,
      known,
      put: committing(batch),
      signal,
      ...(request.bounds && { bounds: request.bounds }),
    });
    const manifest = await batch.put(once(encodeManifest(scanned.manifest)));
    await batch.commit();
    signal.throwIfAborted();
    const newest = await newestOf(storage, request);
    const { after_calls } = request;
    if (after_calls.length === 0 && newest?.manifest === manifest.sha256)
      return { checkpoint: null, files_read: scanned.files_read };
    failpoint("checkpoint_stored");
    const made = await createDocument(storage, session_id, {
      sandbox_id,
      // Of a workspace that has changed by itself: the same calls as of the one before.
      after_calls: (after_calls.length > 0 ? after_calls : (newest?.after_calls ?? [])).slice(
        -limits.checkpoint_calls_max,
      ),
      in_use: request.in_use,
      made_at: new Date().toISOString(),
      ...sizeOf(scanned.manifest),
      manifest: manifest.sha256,
      untold: untoldWith(request.restored),
    });
    const document = nameOf(session_id, made);
    remember(request, { storage_id: storage.id, document, read_at_ms: Date.now(), files: scanned.known });
    await prune(storage, session_id, sandbox_id);
    return { checkpoint: checkpointOf(made), files_read: scanned.files_read };
  } catch (error) {
    if (signal.aborted) {
      await batch.commit();
      const read_at_ms = before && before.document === null ? before.read_at_ms : Date.now();
      remember(request, { storage_id: storage.id, document: null, read_at_ms, files: known });
    }
    throw error;
  } finally {
    await batch.end();
  }
}

function untoldWith(restored: Restored | null): Restored["untold"] {
  if (!restored) return [];
  const { untold, ...last } = restored;
  return [...untold, last].slice(-limits.restores_untold_max);
}

/** Null when what was read may not be in the storage any more. */
async function knownFiles(storage: Storage, { known_path }: TakeRequest): Promise<KnownFiles | null> {
  if (!existsSync(known_path)) return null;
  const known = decodeKnownFiles(readFileSync(known_path, "utf8"));
  if (!known || known.storage_id !== storage.id) return null;
  if (known.document === null)
    return Date.now() - known.read_at_ms < limits.storage_grace_ms / 2 ? known : null;
  return (await storage.readDocument(known.document)) === null ? null : known;
}

/** Half a file is taken for none, so it need not be synced. */
export function remember({ known_path }: Pick<TakeRequest, "known_path">, known: KnownFiles): void {
  const part = join(dirname(known_path), "known-files.part");
  writeFileSync(part, encodeKnownFiles(known), { mode: 0o600 });
  renameSync(part, known_path);
}

/** Commits now and then, so that a long one that is given up was not for nothing. */
function committing(batch: Batch): (content: AsyncIterable<Buffer>) => Promise<Blob> {
  let count = 0;
  let bytes = 0;
  return async (content) => {
    const blob = await batch.put(content);
    count += 1;
    bytes += blob.bytes;
    if (count >= limits.checkpoint_commit_files || bytes >= limits.checkpoint_commit_bytes) {
      await batch.commit();
      count = 0;
      bytes = 0;
    }
    return blob;
  };
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

async function newestOf(storage: Storage, { session_id, sandbox_id }: TakeRequest) {
  const newest = (await placesOf(storage, session_id)).findLast((place) => place.sandbox_id === sandbox_id);
  return newest ? readCheckpoint(storage, session_id, newest) : null;
}

/** Under the next free number: another process of this host may have been at it, and is not overwritten. */
async function createDocument(
  storage: Storage,
  session_id: string,
  document: Omit<CheckpointDocument, "n">,
): Promise<CheckpointDocument> {
  const { sandbox_id } = document;
  const places = (await placesOf(storage, session_id)).filter((place) => place.sandbox_id === sandbox_id);
  for (let n = (places.at(-1)?.n ?? 0) + 1; ; n += 1) {
    const numbered = { ...document, n };
    const bytes = Buffer.from(JSON.stringify(numbered));
    if (await storage.createDocument(nameOf(session_id, numbered), bytes)) return numbered;
  }
}

async function prune(storage: Storage, session_id: string, sandbox_id: string): Promise<void> {
  const places = (await placesOf(storage, session_id)).filter((place) => place.sandbox_id === sandbox_id);
  const numbers = places.map(({ n }) => n);
  for (const n of surplus(numbers, limits.checkpoints_kept_max)) {
    await storage.removeDocument(nameOf(session_id, { sandbox_id, n }));
  }
}
