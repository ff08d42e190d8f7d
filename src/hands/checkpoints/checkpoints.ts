import { join } from "node:path";
import { limits } from "../../limits.ts";
import { type Driver, Unavailable } from "../driver.ts";
import { describeFailure } from "../host-failure.ts";
import type { Checkpoint, CheckpointRef, Restored } from "../wire.ts";
import type { CopyRequest } from "./documents.ts";
import { openNotes } from "./notes.ts";
import { createWorker, Stopped, type Worker } from "./worker.ts";

/** When workspaces are kept and brought back. No call waits for one that is kept. */
export interface Checkpoints {
  /**
   * Fills the workspace of a sandbox that this host does not have, from what the storage has. Throws `Unavailable` when
   * that cannot be said now: an empty workspace in the place of a full one would be worse than none.
   */
  fill(id: string, from: CheckpointRef | null): Promise<void>;
  /** A call is about to change the workspace. */
  began(id: string, session_id: string): void;
  ended(id: string, call_id: string): void;
  /** What became of its restore, for this call to tell. */
  report(id: string, call_id: string): Restored | null;
  /** Whether what this call had to tell will be known, come what may. */
  told(id: string, call_id: string, known: boolean): void;
  list(session_id: string): Promise<Checkpoint[]>;
  /** Whether none could be made the last time that it was tried. */
  failing(): boolean;
  /** Keeps first what of the session's workspace rests and is not kept yet. */
  copy(request: CopyRequest): Promise<void>;
  /** The sandbox has ended, and what ran in it beside the calls. */
  ceased(id: string, session_id: string): void;
  /** Lets the workspace be removed; with `session_id`, all checkpoints of that session go too. */
  forget(id: string, session_id: string | null, remove: () => Promise<void>): Promise<void>;
  /** Keeps what has changed, as far as there is time. */
  close(): Promise<void>;
}

export interface CheckpointsOptions {
  driver: Driver;
  /** Of the host's own notes. */
  data_dir: string;
  /** Where they lie for all hosts. */
  storage: string;
  after_ms?: number;
  retry_ms?: number;
  closing_ms?: number;
  /** Hears of each that is made. */
  onKept?(checkpoint: Checkpoint): void;
  /** Hears once that they cannot be kept, and once that they can again. */
  onTrouble?(error: Error): void;
  onRecovered?(): void;
}

interface Slot {
  calls: number;
  timer: NodeJS.Timeout | null;
  taking: { stop: AbortController; done: Promise<void> } | null;
  report: Restored | null;
  /** The call that tells it. */
  teller: string | null;
}

export function createCheckpoints(options: CheckpointsOptions): Checkpoints {
  const {
    driver,
    storage,
    after_ms = limits.checkpoint_after_ms,
    retry_ms = limits.checkpoint_retry_ms,
  } = options;
  const notes = openNotes(join(options.data_dir, "checkpoints"));
  const slots = new Map<string, Slot>();
  let known = notes.storageIn(storage);
  const workerOptions = {
    storage: () => ({ folder: storage, known }),
    onStorage(id: string) {
      if (known === null) notes.storageIs(storage, id);
      known = id;
    },
  };
  const keeping: Worker = createWorker(workerOptions);
  /** Of its own, so that a call that waits for its workspace does not wait for those of others to be kept. */
  const asking: Worker = createWorker(workerOptions);
  const never = new AbortController().signal;
  let failing = false;
  let closed = false;

  function slotOf(id: string): Slot {
    const found = slots.get(id);
    if (found) return found;
    const slot: Slot = { calls: 0, timer: null, taking: null, report: notes.report(id), teller: null };
    slots.set(id, slot);
    return slot;
  }

  function rest(id: string, slot: Slot, ms: number): void {
    if (slot.calls > 0 || slot.timer || slot.taking || closed) return;
    slot.timer = setTimeout(() => {
      slot.timer = null;
      take(id, slot, never);
    }, ms);
  }

  /** A slot that nothing is to be remembered of is dropped. */
  function drop(id: string, slot: Slot): void {
    if (slot.calls === 0 && !slot.timer && !slot.taking && !slot.report && slots.get(id) === slot)
      slots.delete(id);
  }

  function halt(slot: Slot): void {
    if (slot.timer) clearTimeout(slot.timer);
    slot.timer = null;
    slot.taking?.stop.abort();
  }

  /** A note that cannot be made costs a checkpoint, not a call. */
  function note(make: () => void): void {
    try {
      make();
    } catch (error) {
      trouble(error);
    }
  }

  function trouble(error: unknown): void {
    if (!failing) options.onTrouble?.(error instanceof Error ? error : new Error(String(error)));
    failing = true;
  }

  async function take(id: string, slot: Slot, signal: AbortSignal): Promise<void> {
    const stop = new AbortController();
    const done = keep(id, AbortSignal.any([stop.signal, signal]));
    slot.taking = { stop, done: done.then(() => {}) };
    const outcome = await done;
    slot.taking = null;
    if (outcome === "failed") rest(id, slot, retry_ms);
    else if (outcome === "stopped") rest(id, slot, after_ms);
    drop(id, slot);
  }

  async function keep(id: string, signal: AbortSignal): Promise<"kept" | "stopped" | "failed"> {
    try {
      const folders = driver.keptFolders(id);
      const unkept = notes.unkept(id);
      if (!folders || !unkept) return "kept";
      const asks = {
        session_id: unkept.session_id,
        sandbox_id: id,
        folders: folders.map(({ name, path }) => ({ name, path })),
        known_path: notes.knownPath(id),
        after_calls: unkept.calls,
      };
      const { checkpoint } = await keeping.run("take", asks, { signal, ms_max: limits.checkpoint_ms_max });
      notes.kept(id, unkept.calls.length, { all: !signal.aborted });
      if (failing) options.onRecovered?.();
      failing = false;
      if (checkpoint) options.onKept?.(checkpoint);
      return signal.aborted ? "stopped" : "kept";
    } catch (error) {
      if (error instanceof Stopped) return "stopped";
      trouble(error);
      return "failed";
    }
  }

  function ask<Name extends "list" | "remove">(name: Name, session_id: string) {
    return asking.run(name, { session_id }, { signal: never, ms_max: limits.storage_ms_max });
  }

  async function restore(id: string, from: CheckpointRef): Promise<Restored> {
    const staging = driver.stage(id);
    let filled = false;
    try {
      const restored = await asking.run(
        "restore",
        {
          from,
          staging: staging.path,
          folders: staging.folders,
          known_path: notes.knownPath(id),
          report_path: notes.reportPath(id),
        },
        { signal: never, ms_max: limits.restore_ms_max },
      );
      filled = restored.checkpoint !== null;
      if (filled) staging.commit();
      return restored;
    } catch (error) {
      throw new Unavailable(`the workspace could not be brought back: ${describeFailure(error)}`);
    } finally {
      if (!filled) await staging.discard();
    }
  }

  async function keepNow(session_id: string): Promise<void> {
    for (const id of notes.ids()) {
      if (notes.unkept(id)?.session_id !== session_id) continue;
      const slot = slotOf(id);
      if (slot.calls > 0) continue;
      if (slot.timer) {
        clearTimeout(slot.timer);
        slot.timer = null;
        take(id, slot, never);
      }
      await slot.taking?.done;
    }
  }

  async function collect(): Promise<void> {
    const asks = { grace_ms: limits.storage_grace_ms };
    await keeping.run("collect", asks, { signal: never, ms_max: limits.checkpoint_ms_max }).catch((error) => {
      if (!closed) trouble(error);
    });
  }
  const collecting = setInterval(collect, limits.storage_collect_ms).unref();

  // What the process before this one did not come to.
  for (const id of notes.ids()) {
    if (driver.keptFolders(id) === null) notes.forget(id);
    else if (notes.unkept(id)) rest(id, slotOf(id), after_ms);
  }

  return {
    async fill(id, from) {
      if (from === null || driver.keptFolders(id) !== null) return;
      slotOf(id).report = await restore(id, from);
    },
    began(id, session_id) {
      const slot = slotOf(id);
      slot.calls += 1;
      halt(slot);
      note(() => notes.changed(id, session_id));
    },
    ended(id, call_id) {
      const slot = slotOf(id);
      slot.calls -= 1;
      note(() => notes.ended(id, call_id));
      rest(id, slot, after_ms);
    },
    ceased(id, session_id) {
      if (driver.keptFolders(id) === null) return;
      note(() => notes.changed(id, session_id));
      rest(id, slotOf(id), after_ms);
    },
    report(id, call_id) {
      const slot = slots.get(id);
      if (!slot?.report || (slot.teller !== null && slot.teller !== call_id)) return null;
      slot.teller = call_id;
      return slot.report;
    },
    told(id, call_id, isKnown) {
      const slot = slots.get(id);
      if (slot?.teller !== call_id) return;
      slot.teller = null;
      if (!isKnown) return;
      slot.report = null;
      notes.reportTold(id);
    },
    list: (session_id) => ask("list", session_id),
    failing: () => failing,
    async copy({ session_id, to_session_id, calls }) {
      await Promise.race([keepNow(session_id), passed(limits.checkpoint_copy_wait_ms)]);
      const asks = { session_id, to_session_id, calls };
      await asking.run("copy", asks, { signal: never, ms_max: limits.storage_ms_max });
    },
    async forget(id, session_id, remove) {
      const slot = slots.get(id);
      if (slot) halt(slot);
      // Else there could still be a checkpoint of what is half removed.
      await slot?.taking?.done;
      if (slot) halt(slot);
      await remove();
      notes.forget(id);
      slots.delete(id);
      if (session_id !== null) await ask("remove", session_id);
    },
    async close() {
      closed = true;
      clearInterval(collecting);
      const { closing_ms = limits.checkpoint_closing_ms_max } = options;
      const late = AbortSignal.timeout(closing_ms);
      const open = [...slots].filter(([id]) => notes.unkept(id) !== null);
      await Promise.all(
        open.map(async ([id, slot]) => {
          halt(slot);
          await slot.taking?.done;
          await keep(id, late);
        }),
      );
      keeping.close();
      asking.close();
    },
  };
}

const passed = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms).unref());

/** For a host that keeps none. */
export const noCheckpoints: Checkpoints = {
  async fill() {},
  began() {},
  ended() {},
  report: () => null,
  told() {},
  list: async () => [],
  failing: () => false,
  async copy() {},
  ceased() {},
  forget: (_id, _session, remove) => remove(),
  async close() {},
};
