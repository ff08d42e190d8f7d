export const sandboxes = {
  /** The /tmp of a sandbox, and one file of it. */
  sandbox_tmp_bytes: 1024 ** 3,
  sandbox_file_bytes_max: 4 * 1024 ** 3,
  /**
   * Disks of sandboxes that are made ahead, how long after one was taken; for how long one that nobody needs stays mounted,
   * and the smallest.
   */
  sandbox_disks_prepared: 2,
  sandbox_disk_ahead_ms: 100,
  sandbox_disk_rest_ms: 10_000,
  sandbox_disk_bytes_min: 16 << 20,
  sandbox_disk_error_chars_max: 300,
  /** Files that a program in a sandbox may have open, and to how many it can raise that. */
  sandbox_open_files: 8_192,
  sandbox_open_files_max: 65_536,
  /** Of 1,000: how much sooner than a server a sandbox is ended where the machine has no memory left. */
  sandbox_oom_score: 500,
  /** What gVisor needs for itself beside the memory of a sandbox, in `bytes`; its threads, and how many for each of the sandbox's. */
  gvisor_memory_bytes: 64 << 20,
  gvisor_threads: 1_024,
  gvisor_threads_each: 16,
  /** For an answer of a container engine, in `ms`; what ends a container by force may take it some seconds. */
  engine_answer_ms_max: 20_000,
  /**
   * Sandboxes running at once on one host: one for so much of its memory, within bounds. One that rests takes a small part
   * of that; one that works may take more.
   */
  sandbox_memory_share_bytes: 96 << 20,
  sandboxes_max_least: 16,
  sandboxes_max_most: 1_000,
  /** A sandbox that nobody used for so long is ended, and one whose background jobs still run after so long. */
  sandbox_idle_ms: 15 * 60_000,
  sandbox_idle_with_jobs_ms: 4 * 3_600_000,
  sandbox_start_ms_max: 10_000,
  /** One that did not start may say why for so long after it has ended. */
  sandbox_last_words_ms: 2_000,
  /** How long a call waits for room on a host. */
  sandbox_room_wait_ms: 60_000,
  /** Time a signalled command has to end before a harder signal, and a killed one before its sandbox goes. */
  sandbox_signal_grace_ms: 500,
  sandbox_kill_grace_ms: 3_000,
  /** What background jobs write between two calls, kept for the second one. */
  background_output_bytes_max: 16 << 10,
  exec_stderr_bytes_max: 16 << 10,
} as const;
