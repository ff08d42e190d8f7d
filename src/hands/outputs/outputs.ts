import { failpoint } from "../../failpoints.ts";
import { limits } from "../../limits.ts";
import type { Driver } from "../driver.ts";
import type { HandsRequest, HandsResponse } from "../wire.ts";
import { emptyList, listOutputs, nothing } from "./list.ts";
import { openOutputsNotes } from "./notes.ts";
import type { OutputsFolder } from "./open.ts";
import { readOutput } from "./read.ts";

export type OutputsRequest = Extract<
  HandsRequest,
  { type: "changed_outputs" | "list_outputs" | "read_output" | "outputs_taken" }
>;

export const isOutputsRequest = (request: HandsRequest): request is OutputsRequest =>
  ["changed_outputs", "list_outputs", "read_output", "outputs_taken"].includes(request.type);

/**
 * Notices what sandboxes write into their outputs folders, and hands it over. It is looked at while something runs that may
 * write, from outside of the sandbox; what changed in between is noticed all the same, only later.
 */
export interface Outputs {
  /** The sandbox runs. */
  lives(id: string, session_id: string): void;
  /** It does not any more. */
  ceased(id: string): void;
  /**
   * A call begins. The returned function is called when it has ended, and told how to find out whether anything runs in the
   * sandbox still.
   */
  began(id: string): (isBusy: () => Promise<boolean>) => void;
  handle(request: OutputsRequest): Promise<HandsResponse>;
  /** Its folders are about to be removed. Resolves when nobody is looking at them. */
  forget(id: string): Promise<void>;
  /** Resolves when nobody is looking any more. */
  close(): Promise<void>;
}

export interface OutputsOptions {
  driver: Pick<Driver, "keptFolders" | "hold">;
  data_dir: string;
  /** Told when there is something new to take. */
  changed(outputs: { session_id: string; sandbox_id: string }): void;
  /** Hears once that outputs cannot be looked at. */
  trouble: ((error: unknown) => void) | undefined;
}

interface Slot {
  session_id: string;
  lives: boolean;
  calls: number;
  /** Whether anything runs beside the calls. */
  isBusy(): Promise<boolean>;
  /** As it was seen last, and as it was when all of it was taken. */
  state: string;
  taken: string;
  timer: NodeJS.Timeout | null;
  /** When it goes off. */
  due_at: number;
}

const quiet = async () => false;

export function createOutputs({ driver, data_dir, changed, trouble }: OutputsOptions): Outputs {
  const notes = openOutputsNotes(data_dir);
  const slots = new Map<string, Slot>();
  /** Looks follow one another, so that however many sandboxes there are, the calls have most of this process. */
  let turn: Promise<unknown> = Promise.resolve();
  let failing = false;
  let closed = false;

  function slotOf(id: string, session_id: string): Slot {
    const found = slots.get(id);
    if (found) return found;
    const slot: Slot = {
      session_id,
      lives: false,
      calls: 0,
      isBusy: quiet,
      state: nothing,
      taken: nothing,
      timer: null,
      due_at: 0,
    };
    slots.set(id, slot);
    return slot;
  }

  /** What is done to the folder while it can be reached. */
  async function within<T>(id: string, none: T, act: (folder: OutputsFolder) => Promise<T> | T): Promise<T> {
    const release = await driver.hold(id);
    try {
      const folder = driver.keptFolders(id)?.find(({ name }) => name === "outputs");
      return folder ? await act(folder) : none;
    } finally {
      release();
    }
  }

  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = turn.then(work);
    turn = mine.catch(() => {});
    return mine;
  }

  /** No later than it would be anyway. */
  function lookIn(id: string, slot: Slot, ms: number): void {
    const due_at = performance.now() + ms;
    if (closed || (slot.timer && slot.due_at <= due_at)) return;
    if (slot.timer) clearTimeout(slot.timer);
    slot.timer = setTimeout(() => look(id, slot), ms).unref();
    slot.due_at = due_at;
  }

  /** The next look comes by itself while anything runs that may write, or what was written does not rest yet. */
  async function look(id: string, slot: Slot): Promise<void> {
    slot.timer = null;
    let pause_ms: number = limits.outputs_look_ms;
    let again = true;
    try {
      const busy = slot.calls > 0 || (slot.lives && (await slot.isBusy()));
      const began_at = performance.now();
      const { rest } = await seen(id, slot, busy ? limits.outputs_rest_ms : limits.outputs_settle_ms);
      pause_ms = Math.max(pause_ms, (performance.now() - began_at) / limits.outputs_look_share_max);
      again = busy || !rest;
      failing = false;
    } catch (error) {
      if (!failing) trouble?.(error);
      failing = true;
      pause_ms = limits.outputs_poll_ms;
    }
    if (again && slots.get(id) === slot) lookIn(id, slot, pause_ms);
    settle(id, slot);
  }

  function seen(id: string, slot: Slot, rest_ms: number) {
    return inTurn(async () => {
      const list = await within(id, emptyList, (folder) => listOutputs(folder, { rest_ms }));
      const isNew = list.state !== slot.state;
      slot.state = list.state;
      if (isNew && isUntaken(slot)) changed({ session_id: slot.session_id, sandbox_id: id });
      return list;
    });
  }

  /** What was taken and is gone by now leaves nothing to take. */
  const isUntaken = ({ state, taken }: Slot) => state !== taken && state !== nothing;

  /** One that nothing is to be remembered of is forgotten. */
  function settle(id: string, slot: Slot): void {
    if (slot.lives || slot.calls > 0 || slot.timer || isUntaken(slot)) return;
    if (slots.get(id) === slot) forget(id);
  }

  function forget(id: string): void {
    const slot = slots.get(id);
    if (slot?.timer) clearTimeout(slot.timer);
    slots.delete(id);
    notes.forget(id);
  }

  // Of those that the process before this one knew, nobody can say what was taken.
  for (const { sandbox_id, session_id } of notes.all())
    lookIn(sandbox_id, slotOf(sandbox_id, session_id), limits.outputs_settle_ms);

  return {
    lives(id, session_id) {
      notes.add({ sandbox_id: id, session_id });
      const slot = slotOf(id, session_id);
      slot.lives = true;
      lookIn(id, slot, limits.outputs_settle_ms);
    },
    ceased(id) {
      const slot = slots.get(id);
      if (!slot) return;
      slot.lives = false;
      slot.isBusy = quiet;
      lookIn(id, slot, limits.outputs_settle_ms);
    },
    began(id) {
      const slot = slots.get(id);
      if (slot) slot.calls += 1;
      if (slot) lookIn(id, slot, limits.outputs_look_ms);
      return (isBusy) => {
        if (!slot) return;
        slot.calls -= 1;
        slot.isBusy = isBusy;
        lookIn(id, slot, limits.outputs_settle_ms);
      };
    },
    async handle(request) {
      const { n } = request;
      if (request.type === "changed_outputs") {
        const untaken = [...slots].filter(([, slot]) => isUntaken(slot)).slice(0, limits.outputs_changed_max);
        const sandboxes = untaken.map(([sandbox_id, { session_id }]) => ({ sandbox_id, session_id }));
        return { type: "changed_outputs", n, sandboxes };
      }
      const { sandbox_id: id, session_id } = request;
      if (request.type === "read_output") {
        const data = await within(id, null, (folder) => readOutput(folder, request));
        failpoint("output_read");
        return { type: "output", n, data_base64: data?.toString("base64") ?? null };
      }
      const slot = slotOf(id, session_id);
      if (request.type === "list_outputs") {
        const list = await seen(id, slot, slot.calls > 0 ? limits.outputs_rest_ms : limits.outputs_settle_ms);
        settle(id, slot);
        return { type: "outputs", n, list };
      }
      slot.taken = request.state;
      settle(id, slot);
      return { type: "ok", n };
    },
    async forget(id) {
      forget(id);
      await inTurn(async () => {});
    },
    async close() {
      closed = true;
      for (const slot of slots.values()) if (slot.timer) clearTimeout(slot.timer);
      await turn;
    },
  };
}

/** For a host that hands over none. */
export const noOutputs: Outputs = {
  lives() {},
  ceased() {},
  began: () => () => {},
  handle: async ({ n }) => ({ type: "error", n, message: "this host hands over no outputs" }),
  async forget() {},
  async close() {},
};
