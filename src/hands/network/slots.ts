import { limits } from "../../limits.ts";
import type { Slot } from "./slot.ts";

/**
 * Slots that are prepared before anybody needs one: as many as were needed lately, within bounds, and none before the
 * first is.
 */
export interface Slots {
  /** One that nobody else gets. It is made on the spot where none is ready. */
  take(): Promise<Slot>;
  close(): Promise<void>;
}

export interface SlotsOptions {
  make(options: { inBackground: boolean }): Promise<Slot>;
  now?(): number;
  /** Calls `work` when the sandbox that a slot was taken for has had time to start. */
  later?(work: () => void): void;
}

const afterTheStart = (work: () => void) => void setTimeout(work, limits.network_slots_ahead_ms).unref();

export function createSlots({
  make,
  now = () => performance.now(),
  later = afterTheStart,
}: SlotsOptions): Slots {
  const ready: Slot[] = [];
  const waiting: { resolve(slot: Slot): void; reject(error: unknown): void }[] = [];
  const making = new Set<Promise<void>>();
  let takenAt: number[] = [];
  /** None could be made: that is tried again when the next one is needed. */
  let resting = false;
  let closed = false;

  function spare(): number {
    takenAt = takenAt.filter((at) => now() - at < limits.network_slots_lately_ms);
    return Math.min(Math.max(takenAt.length, limits.network_slots_spare), limits.network_slots_spare_max);
  }

  async function begin(inBackground: boolean): Promise<void> {
    try {
      const slot = await make({ inBackground });
      const next = waiting.shift();
      if (next) next.resolve(slot);
      else if (closed) slot.close();
      else ready.push(slot);
    } catch (error) {
      resting = true;
      // Who came to wait for one that was made with little of the processors gets another one.
      if (!inBackground) waiting.shift()?.reject(error);
    }
  }

  function fill(): void {
    const isWanted = () =>
      waiting.length > 0
        ? making.size < Math.min(waiting.length, limits.network_slots_making_max)
        : !closed && !resting && making.size === 0 && ready.length < spare();
    while (isWanted()) {
      const inBackground = waiting.length === 0;
      const made = begin(inBackground).finally(() => {
        making.delete(made);
        if (inBackground || waiting.length > 0) fill();
        else later(fill);
      });
      making.add(made);
    }
  }

  return {
    take() {
      takenAt.push(now());
      resting = false;
      const slot = ready.shift();
      const taken = slot
        ? Promise.resolve(slot)
        : new Promise<Slot>((resolve, reject) => waiting.push({ resolve, reject }));
      if (slot) later(fill);
      else fill();
      return taken;
    },
    async close() {
      closed = true;
      for (const slot of ready.splice(0)) slot.close();
      while (making.size > 0) await Promise.all(making);
    },
  };
}
