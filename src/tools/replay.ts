import type { Recovery } from "../protocol/events.ts";
import { failed, type ToolResult } from "./tool.ts";

/** The result of a call that was run again after it was lost, `replays` times; of any other call, as it is. */
export const afterReplays = <Result extends ToolResult>(
  result: Result,
  { reason, replays }: Omit<Recovery, "type">,
): Result => (replays === 0 ? result : { ...result, recovery: { type: "run_again", reason, replays } });

/** What the model is told of a call that nobody can say the end of. */
export const outcomeUnknownText = (reason: string): string =>
  `The outcome of this call is unknown: ${reason}. It may have run in part or whole. Look at its effects before you run it again.`;

export const outcomeUnknown = ({ reason, replays }: Omit<Recovery, "type">): ToolResult => ({
  ...failed(outcomeUnknownText(reason)),
  recovery: { type: "outcome_unknown", reason, replays },
});
