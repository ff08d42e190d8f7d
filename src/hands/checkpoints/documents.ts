import { z } from "zod";
import { type Checkpoint, checkpoint, type Restored, restored } from "../wire.ts";
import type { Storage } from "./storage.ts";

/** A checkpoint as the storage keeps it: `workspaces/<session>/<sandbox>/<n>.json`. */
export interface CheckpointDocument extends Checkpoint {
  /** The SHA-256 of its manifest, which is a blob. */
  manifest: string;
  /** How its workspace had begun, as long as nobody was known to have been told of that. */
  untold: Restored["untold"];
}

const stored = checkpoint.extend({
  manifest: z.string().regex(/^[0-9a-f]{64}$/),
  untold: restored.shape.untold,
});

/** What is told of it. */
export function checkpointOf({ manifest: _, untold: __, ...told }: CheckpointDocument): Checkpoint {
  return told;
}

export const folderOf = (session_id: string, sandbox_id?: string): string =>
  ["workspaces", session_id, ...(sandbox_id === undefined ? [] : [sandbox_id])].join("/");

export const nameOf = (session_id: string, { sandbox_id, n }: { sandbox_id: string; n: number }): string =>
  `${folderOf(session_id, sandbox_id)}/${n}.json`;

export interface Place {
  sandbox_id: string;
  n: number;
}

/** Where the checkpoints of a session are, the oldest first: by the generation of the sandbox, then by their number. */
export async function placesOf(storage: Storage, session_id: string): Promise<Place[]> {
  const places = (await storage.list(folderOf(session_id))).flatMap((name) => {
    const [, sandbox_id, n] = /([^/]+)\/(\d+)\.json$/.exec(name) ?? [];
    return sandbox_id === undefined ? [] : [{ sandbox_id, n: Number(n) }];
  });
  return places.sort(
    (a, b) => generationOf(session_id, a.sandbox_id) - generationOf(session_id, b.sandbox_id) || a.n - b.n,
  );
}

/**
 * Each sandbox that a session had is of a higher generation than the one before, and says so at the end of its id. What a
 * fork has begun with is of the other session's, and comes before its own.
 */
function generationOf(session_id: string, sandbox_id: string): number {
  const first = session_id.replace(/^sesn_/, "sbx_");
  if (sandbox_id === first) return 0;
  return sandbox_id.startsWith(`${first}-`) ? Number(sandbox_id.slice(first.length + 1)) || 0 : -1;
}

/** Null when it is damaged or gone. */
export async function readCheckpoint(
  storage: Storage,
  session_id: string,
  place: Place,
): Promise<CheckpointDocument | null> {
  const bytes = await storage.readDocument(nameOf(session_id, place));
  return bytes && parseDocument(bytes);
}

export function parseDocument(bytes: Buffer): CheckpointDocument | null {
  try {
    return stored.parse(JSON.parse(bytes.toString("utf8")));
  } catch {
    return null;
  }
}

export interface CopyRequest {
  session_id: string;
  /** Has none yet. */
  to_session_id: string;
  /**
   * The newest is copied in which no other calls than these have ended, and none was going on: it may be a later one. Where
   * there is no such, the newest.
   */
  calls: readonly string[];
}

/** Steps are named after their call: `<call>:<step>`, or `<call>.<replay>:<step>`. */
const callOf = (step: string): string => step.split(/[.:]/, 1)[0] ?? "";

/** What it names need not be copied. */
export async function copyCheckpoint(
  storage: Storage,
  { session_id, to_session_id, calls }: CopyRequest,
): Promise<void> {
  const ended = new Set(calls);
  let newest: CheckpointDocument | null = null;
  let inUse: CheckpointDocument | null = null;
  for (const place of await placesOf(storage, session_id)) {
    const document = await readCheckpoint(storage, session_id, place);
    if (!document) continue;
    if (!document.after_calls.every((step) => ended.has(callOf(step)))) break;
    if (document.in_use) inUse = document;
    else newest = document;
  }
  const chosen = newest ?? inUse;
  if (chosen)
    await storage.createDocument(nameOf(to_session_id, chosen), Buffer.from(JSON.stringify(chosen)));
}

export async function removeCheckpoints(storage: Storage, session_id: string): Promise<void> {
  for (const name of await storage.list(folderOf(session_id))) await storage.removeDocument(name);
}
