export const database = {
  /** Connections of one process, beside the one by which it is a member. */
  database_connections_max: 16,
  database_connect_ms: 5_000,
  /** Transactions of one process at a time, on connections of their own. */
  database_transactions_max: 8,
  /** How long one statement may take, its answer be on the way, and a transaction stand still. */
  statement_ms: 15_000,
  statement_answer_ms: 5_000,
  transaction_idle_ms: 15_000,
  /** From when on a statement is slow, and how many different ones a process remembers. */
  statement_slow_ms: 200,
  statements_slow_max: 100,
  /** Sessions written by one append statement. */
  append_batch_max: 128,
  append_batches_in_flight_max: 2,
  /** Folders within each other, in a backup: what lies deeper is left out. */
  backup_folders_deep_max: 200,
  /** What a backup lacks that is named. */
  backup_left_out_named_max: 50,
  /** Entries of a session kept in memory for its readers. */
  watch_recent_max: 256,
  /** Entries read from the database at a time. */
  read_page_max: 500,
  /** How often watched sessions are looked at in case a notification was lost. */
  watch_poll_ms: 5_000,
} as const;
