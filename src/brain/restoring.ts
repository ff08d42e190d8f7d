import type { Restored } from "../hands/wire.ts";
import type { State } from "./state.ts";

/** Whether a sandbox that is not there begins with what was kept: not, as long as no call has used one. */
export const hasWorkspace = ({ sandbox_call }: State): boolean => sandbox_call !== undefined;

/** What a call has to know of the workspace. */
export interface Restoring {
  restore: boolean;
  /** The restore that the log tells of last. Until it tells of one, each call that ends does. */
  restore_known: string | null;
}

export const restoring = (state: State): Restoring => ({
  restore: hasWorkspace(state),
  restore_known: state.restore_known ?? null,
});

/** What the model is told of it. `lastCall` is the newest call before. */
export function restoredNote(restored: Restored, lastCall: string | undefined): string {
  const { checkpoint, missing, missing_count, skipped } = restored;
  const unreadable = skipped === 0 ? [] : [`${countOf(skipped, "newer checkpoint")} could not be read.`];
  if (!checkpoint) {
    const cannot =
      skipped === 0 ? "there is no checkpoint of its files" : "no checkpoint of its files can be read";
    return `[The sandbox of earlier calls is gone, and ${cannot}: the workspace is empty, and what earlier calls have made is lost.]`;
  }
  const isNewest = lastCall === undefined || checkpoint.after_calls.some((call) => isStepOf(call, lastCall));
  const lines = [
    `The sandbox of earlier calls is gone. Its files were brought back from a checkpoint of ${checkpoint.made_at} (${countOf(checkpoint.files, "file")}); running processes, shell variables and /tmp are lost.`,
    ...unreadable,
    ...(checkpoint.in_use ? ["It was made while commands ran: files may be in the middle of a change."] : []),
    ...(isNewest ? [] : ["What the latest calls have changed is not in it."]),
  ];
  if (missing_count > 0) {
    lines.push(
      `${countOf(missing_count, "path")} not as before:`,
      ...missing.map(({ path, why }) => `${path}: ${why}`),
    );
    if (missing_count > missing.length) lines.push(`and ${missing_count - missing.length} more`);
  }
  return `[${lines.join("\n")}]`;
}

const countOf = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;

/** Steps are named after their call: `<call>:<step>`, or `<call>.<replay>:<step>`. */
const isStepOf = (step: string, call: string): boolean =>
  step.startsWith(`${call}:`) || step.startsWith(`${call}.`);
