export const outputs = {
  /** Of a session's outputs: how many are kept as files, beneath how many folders, and how long their paths may be. */
  outputs_files_max: 2_000,
  outputs_depth_max: 32,
  outputs_path_bytes_max: 1_024,
  /** Names in the folder and beneath it that are looked at. */
  outputs_entries_max: 10_000,
  /** The time that one was written at, before and after 1970: that of the last and the first day that JavaScript has. */
  outputs_time_ms_max: 8.64e15,
  /** What a host may say of one that is left out. */
  outputs_said_chars_max: 16_384,
  /** All of them together, in `bytes`. */
  outputs_bytes_max: 5 * 1024 ** 3,
  /** What is told of outputs that are left out: how many of them by their paths. */
  outputs_left_out_max: 20,
  /** How often the outputs of a sandbox are looked at in which something runs, and for which part of the time at most. */
  outputs_look_ms: 400,
  outputs_look_share_max: 1 / 20,
  /**
   * An output that changed so shortly before is left for later, while something runs and when nothing does; and as much longer
   * for each so many `bytes` of it, so that one that is written to again and again is not taken all the time.
   */
  outputs_rest_ms: 300,
  outputs_settle_ms: 50,
  outputs_rest_bytes: 8 << 20,
  /** How much of an output is asked for at a time. */
  output_chunk_bytes: 1 << 20,
  /** Files of a session's outputs, with those that were written anew and are not removed yet, and what they take. */
  output_files_kept_max: 8_000,
  output_bytes_kept_max: 20 * 1024 ** 3,
  /** How many outputs the log of a session tells of that are left out. */
  outputs_told_max: 100,
  /** Sandboxes at a time from which a process takes outputs, and how long others leave it to one that is not heard of. */
  outputs_taken_parallel_max: 8,
  /** After so long a process looks anew at what there is to take from a sandbox. */
  outputs_batch_ms: 1_000,
  output_turn_ms: 15_000,
  /** The first and the longest pause before outputs that could not be taken are tried again, and how many a process knows of. */
  outputs_retry_ms: 5_000,
  outputs_retry_ms_max: 300_000,
  outputs_failed_max: 10_000,
  /** How long a sandbox that is to be removed waits for its last outputs to be taken. */
  outputs_last_ms: 30_000,
  /** How often hosts are asked whose outputs are to be taken, and about how many they say it at a time. */
  outputs_poll_ms: 1_000,
  outputs_changed_max: 1_000,
} as const;
