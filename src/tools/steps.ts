import { type ExecuteRequest, type Hands, StaleEpoch, Undecided } from "../hands/client.ts";
import type { Operation } from "../hands/wire.ts";
import { limits } from "../limits.ts";
import type { Finished } from "./tool.ts";

/** Nobody knows how it ended. */
export class Lost extends Error {}
export class NoSandbox extends Error {}

export const isForTheBrain = (error: unknown) => error instanceof StaleEpoch || error instanceof Undecided;

/** Runs one step. Throws `Lost` and `NoSandbox`, and what is for the brain. */
export async function runStep(
  hands: Pick<Hands, "execute">,
  request: ExecuteRequest,
  signal: AbortSignal,
): Promise<Finished> {
  const asked = hands.execute(request, signal).catch((error) => {
    // Said to the model: thrown, it would make the session try again for ever.
    throw isForTheBrain(error)
      ? error
      : new NoSandbox(error instanceof Error ? error.message : String(error));
  });
  const result = await Promise.race([asked, unansweredCancel(signal)]);
  if (result.status === "lost") throw new Lost(result.reason);
  if (result.status === "unavailable") throw new NoSandbox(result.reason);
  return result;
}

/** What the server itself does in a sandbox, between calls: steps whose names begin with this one. */
export const stepsIn =
  (
    hands: Pick<Hands, "execute">,
    sandbox: Omit<
      ExecuteRequest,
      "call_id" | "operation" | "timeout_ms" | "output_bytes" | "keep_output_as" | "begun_seq"
    >,
    name: string,
    signal: AbortSignal,
  ) =>
  (step: string, operation: Operation, timeout_ms: number): Promise<Finished> =>
    runStep(
      hands,
      {
        ...sandbox,
        call_id: `${name}:${step}`,
        operation,
        timeout_ms,
        output_bytes: limits.tool_output_bytes_max,
        keep_output_as: null,
        begun_seq: null,
      },
      signal,
    );

/** An interrupt does not wait for ever for hands that cannot be reached. */
const unansweredCancel = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    const give = () => {
      const up = () => reject(new Lost("it was interrupted, and the sandbox's host does not answer"));
      setTimeout(up, limits.cancel_grace_ms).unref();
    };
    if (signal.aborted) give();
    else signal.addEventListener("abort", give, { once: true });
  });
