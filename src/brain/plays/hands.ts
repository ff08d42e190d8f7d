import type { Effects } from "../drive.ts";
import type { Call } from "../state.ts";

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
}

export function scriptedHands(): ScriptedHands {
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
    async run(call, epoch, signal, pause) {
      if (epoch < highest) throw new StaleEpoch();
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
