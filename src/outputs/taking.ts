import type { Fleet } from "../hands/fleet.ts";
import { type FoundOutputs, HostSilent } from "../hands/outputs/asking.ts";
import { limits } from "../limits.ts";
import { type Taken, type TakeParts, takeOutputs } from "./take.ts";

export interface Taking {
  /** Gives up what it is at, which is left to whoever comes by next. */
  stop(): Promise<void>;
}

export interface TakingParts extends TakeParts {
  hands: Pick<Fleet, "watchOutputs">;
  trouble(message: string, error: unknown, sessionId?: string): void;
}

interface Failed {
  times: number;
  again_at: number;
}

/** Takes the outputs that hosts tell of: some sandboxes at a time, one that fails again after pauses that grow. */
export function startTakingOutputs({ hands, trouble, ...parts }: TakingParts): Taking {
  const stop = new AbortController();
  const waiting = new Map<string, FoundOutputs>();
  const running = new Map<string, Promise<void>>();
  const failed = new Map<string, Failed>();

  function next(): void {
    for (const [id, found] of waiting) {
      if (stop.signal.aborted || running.size >= limits.outputs_taken_parallel_max) return;
      // What was told while it was at it is looked at again.
      if (running.has(id)) continue;
      waiting.delete(id);
      running.set(
        id,
        take(found).finally(() => {
          running.delete(id);
          next();
        }),
      );
    }
  }

  async function take(found: FoundOutputs): Promise<void> {
    const id = found.sandbox_id;
    const taken = await takeOutputs(parts, found, stop.signal).catch((error: unknown): Taken | "failed" => {
      // The host tells of it again when it is back.
      if (error instanceof HostSilent || stop.signal.aborted) return "later";
      trouble("outputs could not be taken; trying again", error, found.session_id);
      return "failed";
    });
    if (taken === "taken" || taken === "gone") failed.delete(id);
    else if (taken !== "later") postpone(id);
  }

  function postpone(id: string): void {
    const times = (failed.get(id)?.times ?? 0) + 1;
    failed.delete(id);
    const pause_ms = Math.min(limits.outputs_retry_ms * 2 ** (times - 1), limits.outputs_retry_ms_max);
    failed.set(id, { times, again_at: performance.now() + pause_ms });
    for (const oldest of failed.keys()) if (failed.size > limits.outputs_failed_max) failed.delete(oldest);
  }

  const forget = hands.watchOutputs((found) => {
    const before = failed.get(found.sandbox_id);
    if (before && performance.now() < before.again_at) return;
    waiting.set(found.sandbox_id, found);
    next();
  });

  return {
    async stop() {
      stop.abort(new Error("the server is closing"));
      forget();
      await Promise.all(running.values());
    },
  };
}
