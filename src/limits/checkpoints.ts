export const checkpoints = {
  /**
   * A workspace that no call uses is kept after this time; one in use so long after it was changed at the latest, the first
   * time and later; where that failed, again after that one.
   */
  checkpoint_after_ms: 2_000,
  checkpoint_first_ms: 30_000,
  checkpoint_every_ms: 5 * 60_000,
  checkpoint_retry_ms: 60_000,
  /** What a checkpoint may take, and how long `hands` that end wait for the last ones. */
  checkpoint_ms_max: 20 * 60_000,
  checkpoint_closing_ms_max: 8_000,
  /** A fork that was not made within this time is not made any more: what was copied for it is removed. */
  fork_ms_max: 5 * 60_000,
  /** How long a fork waits for what its session has done last to be kept. A transaction may stand still for longer. */
  checkpoint_copy_wait_ms: 10_000,
  /** One that is not wanted any more ends by itself within this time, or is ended. */
  checkpoint_stop_ms_max: 2_000,
  /** What it keeps of a workspace: files and folders, bytes as files say them, of one file, levels, bytes of all paths and targets. */
  checkpoint_files_max: 300_000,
  checkpoint_bytes_max: 64 * 1024 ** 3,
  checkpoint_file_bytes_max: 4 * 1024 ** 3,
  checkpoint_depth_max: 200,
  checkpoint_path_bytes_max: 64 << 20,
  checkpoint_manifest_bytes_max: 400 << 20,
  /**
   * A file that changed so shortly before is read again the next time: it may change once more and look the same. What is
   * written through a mapping does so until the system has written it to the disk, which it does within 35 s.
   */
  checkpoint_settled_ms: 60_000,
  /** Calls that it names as those that it came after. */
  checkpoint_calls_max: 64,
  /** What is read before it is put into the storage for good. */
  checkpoint_commit_files: 1_000,
  checkpoint_commit_bytes: 1 << 30,
  /** Of one sandbox: the newest, and fewer of the older ones. */
  checkpoints_kept_max: 50,
  /** How often workspaces are looked for that were kept long enough, and how many are taken at a time. */
  expiry_poll_ms: 60_000,
  expiry_batch_max: 100,
  /** How long a call waits for its workspace to be brought back. */
  restore_ms_max: 10 * 60_000,
  restores_parallel_max: 4,
  /** Paths that are said to be missing, and how much of each. */
  restored_missing_max: 50,
  restored_path_chars_max: 300,
  /** Restores of a workspace, one after the other, that nobody was told of; of more, the newest are told. */
  restores_untold_max: 10,
  /** Other questions to the storage. */
  storage_ms_max: 60_000,
  /** What no checkpoint names is kept for so long, and looked for this often. */
  storage_grace_ms: 24 * 3_600_000,
  storage_collect_ms: 6 * 3_600_000,
  storage_collect_ms_max: 5 * 3_600_000,
  /** The process that reads and writes workspaces is let go when it has had nothing to do for so long. */
  checkpoint_worker_idle_ms: 60_000,
  checkpoint_worker_heap_mb: 2_048,
} as const;
