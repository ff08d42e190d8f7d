import type { BroughtBack, Restored } from "../hands/wire.ts";
import { hasPlaced } from "./repositories.ts";
import type { State } from "./state.ts";

/** Whether a sandbox that is not there begins with what was kept: not, as long as no call has used one,
 * and no repository was brought into it. */
export const hasWorkspace = (state: State): boolean => state.sandbox_call !== undefined || hasPlaced(state);

/** What a sandbox is to have beside what its environment asks for. */
export interface Contents {
  restore: boolean;
  /** The version of what the session mounts. */
  mounts: number;
}

export const contents = (state: State): Contents => ({
  restore: hasWorkspace(state),
  mounts: state.mounts,
});

/** What a call has to know of the workspace. */
export interface Restoring extends Contents {
  /** The restore that the log tells of last. Until it tells of one, each call that ends does. */
  restore_known: string | null;
}

export const restoring = (state: State): Restoring => ({
  ...contents(state),
  restore_known: state.restore_known ?? null,
});

/**
 * What the model is told of it, and of those before it that nobody was told of. `lastCall` is the newest call that has ended,
 * also beside this one: as nobody was told of the restore, it ran before that. `known` is the restore that was told last.
 */
export function restoredNote(restored: Restored, lastCall: string | undefined, known?: string): string {
  const { checkpoint, skipped, untold } = restored;
  if (!checkpoint) {
    const cannot =
      skipped === 0 ? "there is no checkpoint of its files" : "no checkpoint of its files can be read";
    return `[The sandbox of earlier calls is gone, and ${cannot}: the workspace is empty, and what earlier calls have made is lost.]`;
  }
  const isNewest = lastCall === undefined || checkpoint.after_calls.some((call) => isStepOf(call, lastCall));
  const lines = [
    `The sandbox of earlier calls is gone. Its files were brought back from a checkpoint of ${checkpoint.made_at} (${countOf(checkpoint.files, "file")}); running processes, shell variables and /tmp are lost.`,
    ...(isNewest ? [] : ["What the latest calls have changed is not in it."]),
    ...shortcomings(restored),
    ...untold.slice(untold.findIndex(({ id }) => id === known) + 1).flatMap(earlierLines),
  ];
  return `[${lines.join("\n")}]`;
}

/** Which calls came between its checkpoint and itself nobody knows any more. */
function earlierLines(restored: BroughtBack): string[] {
  const { checkpoint } = restored;
  if (!checkpoint)
    return ["It was made of a workspace that had begun empty: what calls before that have made is lost."];
  return [
    `It was made of files that had been brought back themselves, from a checkpoint of ${checkpoint.made_at}: what was changed between that one and then is not in it.`,
    ...shortcomings(restored),
  ];
}

function shortcomings({ checkpoint, skipped, missing, missing_count }: BroughtBack): string[] {
  const lines: string[] = [];
  if (skipped > 0) lines.push(`${countOf(skipped, "newer checkpoint")} could not be read.`);
  if (checkpoint?.in_use)
    lines.push("It was made while commands ran: files may be in the middle of a change.");
  if (missing_count > 0)
    lines.push(
      `${countOf(missing_count, "path")} not as before:`,
      ...missing.map(({ path, why }) => `${path}: ${why}`),
    );
  if (missing_count > missing.length) lines.push(`and ${missing_count - missing.length} more`);
  return lines;
}

const countOf = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;

/** Steps are named after their call: `<call>:<step>`, or `<call>.<replay>:<step>`. */
const isStepOf = (step: string, call: string): boolean =>
  step.startsWith(`${call}:`) || step.startsWith(`${call}.`);
