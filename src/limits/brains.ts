export const brains = {
  /** A process beats this often, and is dead when it has not for so long. */
  process_beat_ms: 2_000,
  process_dead_ms: 15_000,
  /** How often a brain looks for work in case a notification was lost. */
  claim_poll_ms: 1_000,
  claim_pause_ms_min: 50,
  /** The longest wait of a session for the time at which it is due, and more. */
  session_wait_ms_max: 120_000,
  /** Sessions claimed at a time, and driven at once by one process. */
  claim_batch_max: 32,
  sessions_driven_max: 1_000,
  /** Of one workspace: the other places are kept for whoever comes later. */
  sessions_driven_per_workspace_max: 900,
  /** A session whose drive failed for an unforeseen reason rests this long. */
  drive_failed_pause_ms: 5_000,
  /** Text of the conversations of parked sessions that a brain remembers, about. */
  memory_chars_max: 64 << 20,
  /** How often sandboxes are looked for whose sessions are gone. */
  cleanup_poll_ms: 1_000,
} as const;
