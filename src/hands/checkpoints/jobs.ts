import type { Restored } from "../wire.ts";
import type { CopyRequest } from "./documents.ts";
import type { RestoreRequest } from "./restore.ts";
import type { Collected } from "./storage.ts";
import type { Taken, TakeRequest } from "./take.ts";

/** What the process that works for checkpoints is asked, and what each comes to. */
export interface Jobs {
  take: { asks: TakeRequest; gives: Taken };
  restore: { asks: RestoreRequest; gives: Restored };
  copy: { asks: CopyRequest; gives: null };
  remove: { asks: { session_id: string }; gives: null };
  collect: { asks: { grace_ms: number }; gives: Collected };
}

export type JobName = keyof Jobs;

/** A job goes with the storage that it is about. `stop` asks it to end early. */
export type ToWorker =
  | { type: "job"; storage: StorageFolder; name: JobName; asks: Jobs[JobName]["asks"] }
  | { type: "stop" };

export interface StorageFolder {
  folder: string;
  /** The id that the storage had before; null for a folder that is used for the first time. */
  known: string | null;
}

export type FromWorker =
  | { type: "done"; storage_id: string | null; gives: Jobs[JobName]["gives"] }
  | { type: "stopped" }
  /** `code` is the system's, where it has one. */
  | { type: "failed"; message: string; code: string | null; away: boolean };
