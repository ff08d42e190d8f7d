export const hands = {
  /** How long a host may take to say how a sandbox is. */
  sandbox_state_ms: 3_000,
  /** One message between a brain and `hands`. */
  hands_line_bytes_max: 64 << 20,
  /** A piece of a content on its way to a host, and how many contents a session sends at a time. */
  blob_piece_bytes: 1 << 20,
  blobs_sent_parallel_max: 4,
  /** How often it is begun anew to bring a host what it has lost meanwhile. */
  mount_rounds_max: 3,
  /** Files that a session mounts in all. */
  mounts_max: 50_000,
  /** A host keeps contents that no sandbox uses for so long, and so much of them; what has just come or was asked for rests. */
  hands_blob_unused_ms: 24 * 3_600_000,
  hands_blobs_unused_bytes_max: 20 * 1024 ** 3,
  hands_blob_rest_ms: 3_600_000,
  /** A content of which nothing more has come for so long, and how often a host looks. */
  hands_blob_part_ms: 24 * 3_600_000,
  hands_blobs_sweep_ms: 3_600_000,
  /** Settled calls of a session that `hands` remembers, and the largest result that it keeps, in base64. */
  hands_calls_kept: 128,
  hands_result_kept_chars_max: 512 << 10,
  hands_journals_open_max: 256,
  hands_reconnect_first_ms: 20,
  hands_reconnect_longest_ms: 1_000,
  /** A host is asked this often whether it is there, and its connection is given up when nothing came for so long. */
  hands_ping_ms: 3_000,
  hands_silent_ms: 10_000,
  /** A host of which nothing was heard for so long is given up, and its sessions go on elsewhere. */
  host_gone_ms: 30_000,
  /** The same seen from the host: how long the other side of a connection may be silent, and take to prove who it is. */
  hands_client_silent_ms: 60_000,
  hands_handshake_ms: 10_000,
  hands_connections_max: 256,
  /** Connections at a time of which that is not known yet: with one more, the oldest is closed. */
  hands_strangers_max: 128,
  /** How long the last words of a host that leaves may take. */
  hands_goodbye_ms: 2_000,
  /** How often hosts are told of sandboxes that have gone on elsewhere, and of how many at a time. */
  abandoned_sweep_ms: 60_000,
  abandoned_batch_max: 100,
} as const;
