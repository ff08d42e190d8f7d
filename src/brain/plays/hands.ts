import assert from "node:assert/strict";
import type { SetUpResult } from "../../hands/wire.ts";
import type { Effects } from "../drive.ts";
import type { Call } from "../state.ts";
import type { PlannedSetup } from "./plan.ts";

type Result = Awaited<ReturnType<Effects["runTool"]>>;

export class StaleEpoch extends Error {}

/** `hands` as a brain sees it: a call is run once, goes on without its brain, and keeps its result. */
export interface ScriptedHands {
  /** The ids of the calls that were run, in the order in which they began. */
  ran: string[];
  /** Brains of an earlier epoch are refused from now on. */
  claimed(epoch: number): void;
  epoch(): number;
  /** `pause` is awaited as often as the call says. */
  run(call: Call, epoch: number, signal: AbortSignal, pause: () => Promise<void>): Promise<Result>;
  cancel(call: Call): void;
  /** Goes on without its brain; asked again, it is the same one until it has failed. `pause` is awaited with each line. */
  setUp(
    epoch: number,
    signal: AbortSignal,
    say: (line: string) => void,
    pause: () => Promise<void>,
  ): Promise<SetUpResult>;
}

export function scriptedHands(setups: readonly PlannedSetup[] | null): ScriptedHands {
  const planned = [...(setups ?? [])];
  let setup: PlannedSetup | null = null;
  const known = new Map<string, { left: number; result: Result | null }>();
  const ran: string[] = [];
  let highest = 0;
  const result = (text: string, is_error: boolean): Result => ({
    content: [{ type: "text", text }],
    is_error,
  });

  function begun(call: Call) {
    const command = known.get(call.id) ?? { left: Number(call.input.pauses ?? 0), result: null };
    if (!known.has(call.id)) ran.push(call.id);
    known.set(call.id, command);
    return command;
  }

  return {
    ran,
    claimed(epoch) {
      highest = epoch;
    },
    epoch: () => highest,
    async setUp(epoch, signal, say, pause) {
      if (epoch < highest) throw new StaleEpoch();
      setup ??= planned.shift() ?? { end: "ready", pauses: 0 };
      const current = setup;
      while (current.pauses > 0 && !signal.aborted) {
        setup = current;
        current.pauses -= 1;
        say(`${current.pauses} left`);
        await pause();
      }
      if (current.end !== "ready" && !signal.aborted && setup === current) setup = null;
      switch (current.end) {
        case "ready":
          return { status: "ready" };
        case "failed":
          return { status: "failed", message: "planned" };
        case "unavailable":
          return { status: "unavailable", reason: "planned" };
      }
    },
    async run(call, epoch, signal, pause) {
      if (epoch < highest) throw new StaleEpoch();
      const isSetUp = setups === null || (setup?.end === "ready" && setup.pauses === 0);
      assert.ok(isSetUp, `${call.id} is run where the environment is not set up`);
      const command = begun(call);
      while (!command.result) {
        if (signal.aborted) command.result = result("so far", true);
        else if (command.left <= 0) command.result = result(`ran ${call.id}`, false);
        else {
          command.left -= 1;
          await pause();
        }
      }
      return command.result;
    },
    cancel(call) {
      const command = known.get(call.id);
      if (command) command.result ??= result("so far", true);
    },
  };
}
