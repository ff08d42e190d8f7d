import { setTimeout as delay } from "node:timers/promises";
import type { Fleet } from "../hands/fleet.ts";
import { HostSilent } from "../hands/outputs/asking.ts";
import type { Placement } from "../hands/placement.ts";
import { limits } from "../limits.ts";
import { type TakeParts, takeOutputs } from "./take.ts";

export interface LastParts extends TakeParts {
  hands: Pick<Fleet, "outputsOf">;
  trouble(message: string, error: unknown, sessionId?: string): void;
}

/**
 * Takes what a session has written in a sandbox that is about to be removed, unless it has been deleted. It is tried for a
 * while: what cannot be taken by then goes with the sandbox.
 */
export async function takeLastOutputs(
  { hands, trouble, ...parts }: LastParts,
  sessionId: string,
  placement: Placement,
): Promise<void> {
  const found = hands.outputsOf(sessionId, placement);
  if (!found) return;
  const late = AbortSignal.timeout(limits.outputs_last_ms);
  try {
    if ((await takeOutputs(parts, found, late)) === "gone") return;
    // What was written just now rests by then.
    do await delay(limits.outputs_rest_ms, undefined, { signal: late });
    while ((await takeOutputs(parts, found, late)) === "later");
  } catch (error) {
    if (!(error instanceof HostSilent))
      trouble("the last outputs of a session could not be taken", error, sessionId);
  }
}
