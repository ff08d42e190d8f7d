export const networks = {
  /** Network namespaces that are ready before a sandbox needs one: this many, or as many as were taken lately. */
  network_slots_spare: 4,
  network_slots_spare_max: 16,
  network_slots_lately_ms: 10_000,
  /** How long after one was taken the next is made. */
  network_slots_ahead_ms: 60,
  /** Those that are made at a time, where sandboxes wait for them, and how long one may take. */
  network_slots_making_max: 4,
  network_slot_ms_max: 30_000,
  /** Connections that a sandbox may have open, and what else of it is answered: connections and names in a second. */
  network_connections_max: 128,
  network_requests_per_second_max: 500,
  /** Beside those, connections that are refused in words, and those over which names are asked for. */
  network_refused_open_max: 32,
  network_name_connections_max: 16,
  network_name_ms_max: 10_000,
  /** How often what a sandbox has used is written down. */
  network_meter_save_ms: 5_000,
  /** What is told of refused connections with the result of a call: different ones, and how much of each. */
  network_refused_told_max: 20,
  network_refused_host_chars_max: 255,
  network_refused_reason_chars_max: 500,
  /** How long a connection waits for the egress process, how often it is tried, and how long the answer may take that it is not there. */
  egress_wait_ms: 5_000,
  egress_retry_ms: 100,
  egress_goodbye_ms: 2_000,
  /** To find a name's address (twice as long at most), and to connect to it, where others choose the address. */
  net_resolve_ms: 3_000,
  net_connect_ms: 10_000,
  /** How often a connection that rests is asked for whether its other end is there. */
  net_keep_alive_ms: 60_000,
  /** What a session shows of the connections that its sandbox was refused, and how far back it looks: entries, and results. */
  network_refused_shown_max: 100,
  network_refused_entries_max: 2_000,
  network_refused_results_max: 200,
  /** How often a sandbox host looks whether the egress process is there. */
  egress_look_ms: 5_000,
  /** The line before the bytes of a sandbox's connection: it names the hosts that may be reached. */
  egress_line_bytes_max: 256 << 10,
  egress_line_ms: 10_000,
  /** How long a connection waits for an egress process beside a serve that takes it. */
  egress_upstream_wait_ms: 5_000,
  /** Connections of all sandboxes at once, and requests on one that have no answer yet. */
  egress_connections_max: 20_000,
  /** Of those, how many one sandbox host on another machine may have. */
  egress_host_connections_max: 5_000,
  egress_requests_per_connection_max: 32,
  /** The head of one request, and how long the next one may take, the wait for it included. */
  egress_head_bytes_max: 64 << 10,
  egress_head_ms: 75_000,
  /** Of a body that comes faster than it is taken. */
  egress_body_held_bytes_max: 64 << 10,
  /** The first message of a TLS connection, and how long it may take once it has begun. */
  egress_hello_bytes_max: 16 << 10,
  egress_hello_ms: 10_000,
  /** How long a program that was answered with a refusal may go on with what it was saying. */
  egress_linger_ms: 5_000,
  /** A connection on which nothing came or went for so long is closed. */
  egress_idle_ms: 15 * 60_000,
  /** Refusals that a watcher has not read yet: with more, it is cut off. */
  egress_watch_backlog_bytes_max: 4 << 20,
} as const;
