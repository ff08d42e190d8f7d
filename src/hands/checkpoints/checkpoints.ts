import { join } from "node:path";
import { failpoint } from "../../failpoints.ts";
import { limits } from "../../limits.ts";
import { type Driver, Unavailable } from "../driver.ts";
import { describeFailure } from "../host-failure.ts";
import type { Restored, SandboxSpec } from "../wire.ts";
import type { CopyRequest } from "./documents.ts";
import type { Jobs } from "./jobs.ts";
import { createKeeping, type KeepingParts } from "./keeping.ts";
import { openNotes } from "./notes.ts";
import { createWorker, createWorkers, Stopped } from "./worker.ts";

/** When workspaces are kept and brought back. No call waits for one that is kept. */
export interface Checkpoints {
  /**
   * Fills the workspace of a sandbox that this host does not have with what the storage has of the session. Throws
   * `Unavailable` when that cannot be said now: an empty workspace in the place of a full one would be worse than none.
   */
  fill(id: string, session_id: string | null, spec: SandboxSpec): Promise<void>;
  /** A call is about to change the workspace. The returned function is called when it has ended. */
  began(id: string, session_id: string): (call_id: string) => void;
  /** The sandbox runs: what runs in it beside the calls may change the workspace at any time. */
  lives(id: string, session_id: string): void;
  /** It does not any more. */
  ceased(id: string, session_id: string): void;
  /** Whether another host could go on with what this one has of its workspace. */
  isKept(id: string): boolean;
  /** What became of its restore, until that is the one that is known. */
  report(id: string, known: string | null): Restored | null;
  /** Whether none could be made the last time that it was tried. */
  failing(): boolean;
  /** Keeps first what of the session's workspace rests and is not kept yet. */
  copy(request: CopyRequest): Promise<void>;
  /** Lets the workspace be removed; with `session_id`, all checkpoints of that session go too. */
  forget(id: string, session_id: string | null, remove: () => Promise<void>): Promise<void>;
  /** Keeps what has changed, as far as there is time. */
  close(): Promise<void>;
}

export interface CheckpointsOptions
  extends Pick<KeepingParts, "after_ms" | "first_ms" | "every_ms" | "retry_ms" | "closing_ms" | "onKept"> {
  driver: Driver;
  /** Of the host's own notes. */
  data_dir: string;
  /** Where they lie for all hosts. */
  storage: string;
  restore_ms?: number;
  stop_ms?: number;
  /** Hears once that they cannot be kept, and once that they can again. */
  onTrouble?(error: Error): void;
  onRecovered?(): void;
}

export function createCheckpoints(options: CheckpointsOptions): Checkpoints {
  const { driver, storage, restore_ms = limits.restore_ms_max } = options;
  const notes = openNotes(join(options.data_dir, "checkpoints"));
  const reports = new Map<string, Restored>();
  let known = notes.storageIn(storage);
  const workerOptions = {
    storage: () => ({ folder: storage, known }),
    onStorage(id: string) {
      if (known === null) notes.storageIs(storage, id);
      known = id;
    },
    stop_ms: options.stop_ms,
  };
  const worker = createWorker(workerOptions);
  /** Of their own, so that a call that waits for its workspace waits for no workspace to be kept, and for few others. */
  const asking = createWorkers(limits.restores_parallel_max, workerOptions);
  /** Reads all that the storage has, and nothing waits for it. */
  const collecting = createWorker(workerOptions);
  let failing = false;
  let closed = false;

  function trouble(error: unknown): void {
    if (!failing) options.onTrouble?.(error instanceof Error ? error : new Error(String(error)));
    failing = true;
  }

  function fine(): void {
    if (failing) options.onRecovered?.();
    failing = false;
  }

  const keeping = createKeeping({ ...options, notes, worker, trouble, fine });

  function ask<Name extends "copy" | "remove">(name: Name, asks: Jobs[Name]["asks"]) {
    const ms_max = limits.storage_ms_max;
    return asking.run(name, asks, { signal: AbortSignal.timeout(ms_max), ms_max });
  }

  async function restore(id: string, session_id: string, spec: SandboxSpec): Promise<Restored> {
    const staging = await driver.stage(id, spec);
    let filled = false;
    try {
      const restored = await asking.run(
        "restore",
        {
          session_id,
          staging: staging.path,
          folders: staging.folders,
          known_path: notes.knownPath(id),
          report_path: notes.reportPath(id),
        },
        { signal: AbortSignal.timeout(restore_ms), ms_max: restore_ms },
      );
      filled = restored.checkpoint !== null;
      if (filled) staging.commit();
      return restored;
    } catch (error) {
      const why =
        error instanceof Stopped
          ? `the storage took more than ${restore_ms / 1_000} s`
          : describeFailure(error);
      throw new Unavailable(`the workspace could not be brought back: ${why}`);
    } finally {
      if (!filled) await staging.discard();
    }
  }

  function reportOf(id: string): Restored | null {
    const found = reports.get(id) ?? notes.report(id);
    if (found) reports.set(id, found);
    return found;
  }

  async function collect(): Promise<void> {
    const asks = { grace_ms: limits.storage_grace_ms };
    const ms_max = limits.storage_collect_ms_max;
    await collecting.run("collect", asks, { signal: new AbortController().signal, ms_max }).catch((error) => {
      if (!closed) trouble(error);
    });
  }
  const sweeping = setInterval(collect, limits.storage_collect_ms).unref();

  // What the process before this one did not come to.
  for (const id of notes.ids()) {
    if (driver.keptFolders(id) === null) notes.forget(id);
    else keeping.resume(id);
  }

  return {
    async fill(id, session_id, spec) {
      if (session_id === null || driver.keptFolders(id) !== null) return;
      failpoint("restore_asked");
      reports.set(id, await restore(id, session_id, spec));
      failpoint("restore_done");
    },
    began: keeping.began,
    lives: keeping.lives,
    ceased: keeping.ceased,
    isKept: keeping.isKept,
    report(id, known) {
      const report = reportOf(id);
      if (report?.id !== known) return report;
      reports.delete(id);
      notes.reportKnown(id);
      return null;
    },
    failing: () => failing,
    async copy({ session_id, to_session_id, calls }) {
      await Promise.race([keeping.now(session_id), passed(limits.checkpoint_copy_wait_ms)]);
      await ask("copy", { session_id, to_session_id, calls });
    },
    async forget(id, session_id, remove) {
      // Else there could still be a checkpoint of what is half removed.
      await keeping.halt(id);
      await remove();
      notes.forget(id);
      reports.delete(id);
      if (session_id !== null) await ask("remove", { session_id });
    },
    async close() {
      closed = true;
      clearInterval(sweeping);
      await keeping.close();
      for (const each of [worker, asking, collecting]) each.close();
    },
  };
}

const passed = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms).unref());

/** For a host that keeps none. */
export const noCheckpoints: Checkpoints = {
  async fill() {},
  began: () => () => {},
  lives() {},
  ceased() {},
  isKept: () => false,
  report: () => null,
  failing: () => false,
  async copy() {},
  forget: (_id, _session, remove) => remove(),
  async close() {},
};
