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
  /** The environment of a session is about to be set up. */
  "setup_asked",
  "setup_answered",
  /** A session's first host is about to be written down. */
  "place_asked",
  "place_done",
  /** Another host is, because that one is gone. */
  "move_asked",
  "move_done",
  /** The process is told to stop, and has not given a session back. */
  "stop_asked",
  /** All of them are given back. */
  "stop_done",
  /** `hands` has read that it is to run a command, and has not noted it. */
  "call_read",
  /** It is noted on disk, and has not begun. */
  "call_noted",
  /** It has ended, and its result is not on disk. */
  "call_ended",
  "call_kept",
  /** A workspace is about to be brought back. */
  "restore_asked",
  /** It is in its place, and nobody has been told what of it is missing. */
  "restore_done",
  /** A workspace is about to be kept. */
  "checkpoint_asked",
  /** All that is in it is in the storage, and the document that makes it a checkpoint is not. */
  "checkpoint_stored",
  /** It is a checkpoint, and the host has not noted that. */
  "checkpoint_done",
  /** `hands` has read a part of an output, and not handed it over. */
  "output_read",
  /** The content of an output is in the file store, and no row names it. */
  "output_received",
  /** It is a file, and its host has not been told that it is taken. */
  "output_taken",
  /** A content is in the file store, and its key is still that of a stray. */
  "content_stored",
  /** It is kept by its hash, and no row names it. */
  "content_kept",
  /** `hands` has a content that came in pieces, and has not said so. */
  "blob_received",
  /** What a session mounts is in its place, and the version that says so is not. */
  "mounts_filled",
  /** A host has mounted what it lacked, and the call that needs it has not been asked again. */
  "mounts_brought",
  /** What is wanted of a repository is here, and nothing of it in the sandbox. */
  "repository_fetched",
  /** It stands in its place, and the log does not say so. */
  "repository_placed",
  /** The turn to refresh a credential is taken, and nothing is asked of its token endpoint. */
  "refresh_asked",
  /** That has answered, and what it gave is nowhere written down. */
  "refresh_answered",
  /** The sandbox of a session that has ended is removed, and that is still to be done. */
  "sandbox_removed",
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
