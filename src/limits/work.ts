export const work = {
  /** How long a worker's poll may wait for work, and after what time unacknowledged work is offered again. */
  work_block_ms_max: 999,
  work_reclaim_ms: 5_000,
  work_reclaim_ms_max: 24 * 3_600_000,
  /** Without a heartbeat a worker has lost its work after so long, unless it asks for more or less. */
  work_lease_ms: 60_000,
  work_lease_ms_min: 1_000,
  work_lease_ms_max: 600_000,
  /** The same for one that has heard that it is to stop: it does not beat while it finishes. */
  work_stopping_ms: 120_000,
  /**
   * Workers in a row that took an item and never came to its session, and the pauses between them, which double. One that does
   * come begins the count anew.
   */
  work_attempts_max: 10,
  work_retry_first_ms: 1_000,
  work_retry_longest_ms: 60_000,
  /** How often leases are looked for that have run out, and how many are taken at a time. */
  work_tend_ms: 1_000,
  work_tend_batch_max: 100,
  /** A worker that serves a session in which nobody has said anything yet is asked to leave it after so long. */
  work_unused_ms: 5 * 60_000,
  /** A worker counts as polling for so long after a poll, and is forgotten after that. */
  work_polling_ms: 30_000,
  work_pollers_kept_ms: 3_600_000,
  /** How long items are kept that have stopped. */
  work_kept_ms: 30 * 24 * 3_600_000,
  work_sweep_ms: 60_000,
  /** How often the metrics of work are renewed. */
  work_seen_ms: 5_000,
  work_sweep_batch_max: 500,
  environment_keys_max: 100,
  /** After so long with nothing to do `drover worker` leaves a session. */
  worker_idle_ms: 60_000,
  /** How often it looks whether sessions of which it has a workspace are over. */
  worker_sweep_ms: 10 * 60_000,
  /** Sessions of which it is kept in memory who their agent is. */
  session_agents_max: 10_000,
} as const;
