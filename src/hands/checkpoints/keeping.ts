import { failpoint } from "../../failpoints.ts";
import { limits } from "../../limits.ts";
import type { Driver } from "../driver.ts";
import type { Checkpoint } from "../wire.ts";
import type { Notes } from "./notes.ts";
import { Stopped, type Worker } from "./worker.ts";

/**
 * When the workspaces of a host are kept: soon after they have come to rest, and at the latest a while after they were
 * changed, be they in use. One that came to rest is given up when a call begins, for the rest after that call will do;
 * one that is overdue is not.
 */
export interface Keeping {
  /** A call is about to change the workspace. The returned function is called when it has ended. */
  began(id: string, session_id: string): (call_id: string) => void;
  /** The sandbox runs: what runs in it beside the calls may change the workspace at any time. */
  lives(id: string, session_id: string): void;
  /** It does not any more. */
  ceased(id: string, session_id: string): void;
  /** Whether there is nothing that is not kept. */
  isKept(id: string): boolean;
  /** Keeps what of the session rests and is not kept yet. */
  now(session_id: string): Promise<void>;
  /** Keeps what a process before this one did not come to. */
  resume(id: string): void;
  /** What is being kept is given up; nothing more is until something changes. Resolves when that is so. */
  halt(id: string): Promise<void>;
  /** Keeps what has changed, as far as there is time. */
  close(): Promise<void>;
}

export interface KeepingParts {
  driver: Pick<Driver, "keptFolders" | "hold">;
  notes: Notes;
  worker: Worker;
  after_ms?: number;
  first_ms?: number;
  every_ms?: number;
  retry_ms?: number;
  closing_ms?: number;
  onKept?(checkpoint: Checkpoint): void;
  trouble(error: unknown): void;
  /** One was kept, or could have been. */
  fine(): void;
}

interface Slot {
  calls: number;
  /** The session of a sandbox that runs. */
  lives: string | null;
  /** Counts what may have changed the workspace. */
  changes: number;
  /** Until it is taken as resting. */
  rest: NodeJS.Timeout | null;
  /** Until it is kept, be it in use. */
  due: NodeJS.Timeout | null;
  overdue: boolean;
  taking: { stop: AbortController; done: Promise<void>; in_use: boolean } | null;
}

export function createKeeping(parts: KeepingParts): Keeping {
  const { driver, notes, worker } = parts;
  const {
    after_ms = limits.checkpoint_after_ms,
    first_ms = limits.checkpoint_first_ms,
    every_ms = limits.checkpoint_every_ms,
    retry_ms = limits.checkpoint_retry_ms,
    closing_ms = limits.checkpoint_closing_ms_max,
  } = parts;
  const slots = new Map<string, Slot>();
  let closed = false;

  function slotOf(id: string): Slot {
    const found = slots.get(id);
    if (found) return found;
    const idle = { rest: null, due: null, overdue: false, taking: null };
    const slot: Slot = { calls: 0, lives: null, changes: 0, ...idle };
    slots.set(id, slot);
    return slot;
  }

  /** A note that cannot be made costs a checkpoint, not a call. */
  function note(make: () => void): void {
    try {
      make();
    } catch (error) {
      parts.trouble(error);
    }
  }

  function changed(id: string, slot: Slot, session_id: string): void {
    slot.changes += 1;
    note(() => notes.changed(id, session_id));
    dueIn(id, slot, within_ms(id));
  }

  /** One that was never kept has everything to lose. */
  const within_ms = (id: string): number => (notes.wasKept(id) ? every_ms : Math.min(first_ms, every_ms));

  function dueIn(id: string, slot: Slot, ms: number): void {
    if (!closed) slot.due ??= setTimeout(() => isDue(id, slot), ms).unref();
  }

  function restFor(id: string, slot: Slot, ms: number): void {
    if (slot.calls > 0 || slot.rest || slot.taking || closed) return;
    slot.rest = setTimeout(() => {
      slot.rest = null;
      take(id, slot, { in_use: false });
    }, ms);
  }

  function isDue(id: string, slot: Slot): void {
    slot.due = null;
    if (slot.lives !== null) changed(id, slot, slot.lives);
    slot.overdue = notes.unkept(id) !== null && !closed;
    if (!slot.overdue) drop(id, slot);
    else if (!slot.taking) take(id, slot, { in_use: true });
  }

  /** A slot that nothing is to be remembered of is dropped. */
  function drop(id: string, slot: Slot): void {
    const busy = slot.calls > 0 || slot.lives !== null || slot.rest || slot.due || slot.taking;
    if (!busy && slots.get(id) === slot) slots.delete(id);
  }

  function still(slot: Slot): void {
    for (const timer of [slot.rest, slot.due]) if (timer) clearTimeout(timer);
    Object.assign(slot, { rest: null, due: null, overdue: false });
    slot.taking?.stop.abort();
  }

  async function take(id: string, slot: Slot, { in_use }: { in_use: boolean }): Promise<void> {
    if (slot.rest) clearTimeout(slot.rest);
    slot.rest = null;
    const stop = new AbortController();
    const working = keep(id, slot, { in_use, signal: stop.signal });
    slot.taking = { stop, done: working.then(() => {}), in_use };
    const outcome = await working;
    slot.taking = null;
    if (slots.get(id) !== slot || closed) return;
    if (outcome === "kept") {
      if (slot.due) clearTimeout(slot.due);
      slot.due = null;
      slot.overdue = false;
      if (slot.lives !== null || notes.unkept(id)) dueIn(id, slot, every_ms);
      if (notes.unkept(id)) restFor(id, slot, after_ms);
    } else if (outcome === "stopped" && slot.overdue) {
      await take(id, slot, { in_use: true });
    } else {
      restFor(id, slot, outcome === "failed" ? retry_ms : after_ms);
      dueIn(id, slot, retry_ms);
    }
    drop(id, slot);
  }

  async function keep(
    id: string,
    slot: Slot,
    { in_use, signal }: { in_use: boolean; signal: AbortSignal },
  ): Promise<"kept" | "stopped" | "failed"> {
    let release = () => {};
    try {
      if (!driver.keptFolders(id)) return "kept";
      release = await driver.hold(id);
      const folders = driver.keptFolders(id);
      const unkept = notes.unkept(id);
      if (!folders || !unkept) return "kept";
      const { changes } = slot;
      const asks = {
        session_id: unkept.session_id,
        sandbox_id: id,
        folders: folders.map(({ name, path }) => ({ name, path })),
        known_path: notes.knownPath(id),
        after_calls: unkept.calls,
        in_use,
        restored: notes.report(id),
      };
      failpoint("checkpoint_asked");
      const { checkpoint } = await worker.run("take", asks, { signal, ms_max: limits.checkpoint_ms_max });
      failpoint("checkpoint_done");
      const all = slot.calls === 0 && slot.changes === changes;
      notes.kept(id, unkept.calls, { all });
      parts.fine();
      if (checkpoint) parts.onKept?.(checkpoint);
      return signal.aborted ? "stopped" : "kept";
    } catch (error) {
      if (error instanceof Stopped) return "stopped";
      parts.trouble(error);
      return "failed";
    } finally {
      release();
    }
  }

  return {
    began(id, session_id) {
      const slot = slotOf(id);
      slot.calls += 1;
      changed(id, slot, session_id);
      if (slot.rest) clearTimeout(slot.rest);
      slot.rest = null;
      if (slot.taking && !slot.taking.in_use) slot.taking.stop.abort();
      return (call_id) => {
        slot.calls -= 1;
        // Else its workspace is gone, or another one.
        if (slots.get(id) !== slot) return;
        slot.changes += 1;
        note(() => notes.ended(id, call_id));
        restFor(id, slot, after_ms);
      };
    },
    lives(id, session_id) {
      const slot = slotOf(id);
      slot.lives = session_id;
      dueIn(id, slot, within_ms(id));
    },
    ceased(id, session_id) {
      const slot = slotOf(id);
      slot.lives = null;
      if (driver.keptFolders(id) !== null) {
        changed(id, slot, session_id);
        restFor(id, slot, after_ms);
      }
      drop(id, slot);
    },
    isKept: (id) => notes.unkept(id) === null,
    async now(session_id) {
      for (const [id, slot] of slots) {
        if (slot.calls > 0 || notes.unkept(id)?.session_id !== session_id) continue;
        if (!slot.taking) take(id, slot, { in_use: false });
        await slot.taking?.done;
      }
    },
    resume(id) {
      const noted = notes.unkept(id);
      if (!noted) return;
      const slot = slotOf(id);
      changed(id, slot, noted.session_id);
      restFor(id, slot, after_ms);
    },
    async halt(id) {
      const slot = slots.get(id);
      if (!slot) return;
      slots.delete(id);
      still(slot);
      await slot.taking?.done;
    },
    async close() {
      closed = true;
      const late = AbortSignal.timeout(closing_ms);
      for (const slot of slots.values()) still(slot);
      await Promise.all(
        [...slots].map(async ([id, slot]) => {
          await slot.taking?.done;
          await keep(id, slot, { in_use: false, signal: late });
        }),
      );
    },
  };
}
