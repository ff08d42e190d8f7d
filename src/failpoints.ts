import { channel } from "node:diagnostics_channel";

/** The places between two things that a process does where its death could matter, named after what is done by then. */
export const failpoints = [
  /** Sessions are this process's. */
  "claimed",
  /** Entries are about to be written. */
  "append_asked",
  /** They are written; whoever waits for that has not heard of it. */
  "append_done",
  /** A request is about to be made to a model. */
  "model_asked",
  /** A part of its answer is here, the last one too. */
  "model_said",
  /** A tool is about to be run, by `hands` or here. */
  "tool_asked",
  "tool_answered",
  /** `hands` has read that it is to run a command, and has not noted it. */
  "call_read",
  /** It is noted on disk, and has not begun. */
  "call_noted",
  /** It has ended, and its result is not on disk. */
  "call_ended",
  "call_kept",
  /** What a request with a key did is written and not committed, its answer with it. */
  "answer_written",
  /** It is committed, and its client has not been told. */
  "answer_committed",
] as const;

export type Failpoint = (typeof failpoints)[number];

export const failpointChannel = "drover.failpoint";

const reached = channel(failpointChannel);

/**
 * Says that a place is reached. Nothing comes of it and nothing can be set to: only a module that a test loads into the
 * process before it starts listens here, and ends it.
 */
export function failpoint(name: Failpoint): void {
  if (reached.hasSubscribers) reached.publish(name);
}
