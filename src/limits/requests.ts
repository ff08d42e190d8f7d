export const requests = {
  /** Time between pings on a silent stream. */
  stream_ping_ms: 10_000,
  /**
   * Events, in bytes of the log, that a slow reader may be behind before its stream is cut. A client's event is on the
   * stream twice, so this is what the largest request makes.
   */
  stream_backlog_bytes_max: 64 << 20,
  /** Parts of a preview that follow each other within this time go out together. */
  preview_coalesce_ms: 30,
  /** A stream that asked for previews says so to the other processes this often at least. */
  preview_want_ms: 10_000,
  /** A process that is asked what it wants answers within this time, once for all who ask meanwhile. */
  preview_answer_ms: 100,
  /** Text of one preview notification, escaped; or the sessions that one answer names. */
  preview_notify_bytes_max: 3_600,
  /** Preview notifications of a session that wait for the one before them. */
  previews_telling_max: 100,
  /** Previews that a stream holds back until it has shown what was before them. */
  previews_held_max: 1_000,
  /** Age of a first turn up to which a stream that opens late still starts with it. */
  first_turn_grace_ms: 5_000,
  /** When the server stops, so long for what it still answers, and then for the words that say why it does not. */
  stop_grace_ms: 1_500,
  stop_words_ms: 500,
  /** A connection without a request is closed after this; proxies in front of a server usually do so after 60 s. */
  connection_idle_ms: 75_000,
  request_body_bytes_max: 32 << 20,
  /** How much of a larger one is read and thrown away before the connection is cut. */
  request_discard_bytes_max: 128 << 20,
  /** Levels of nesting in a request's JSON: far more would overflow a stack somewhere. */
  request_json_depth_max: 200,
  /** How long a body of JSON may take to arrive. */
  request_body_ms_max: 5 * 60_000,
  idempotency_key_chars_max: 255,
  /** How long an answer is kept for the requests that repeat its own, and how often old ones are looked for. */
  idempotency_kept_ms: 24 * 3_600_000,
  idempotency_sweep_ms: 60_000,
  idempotency_sweep_batch_max: 500,
  /** The largest request's own answer is smaller. */
  idempotency_answer_bytes_max: 48 << 20,
  /** How long a request waits for the one it repeats, looking again after these pauses, which grow. */
  idempotency_wait_ms: 30_000,
  idempotency_pause_first_ms: 10,
  idempotency_pause_longest_ms: 500,
  /** How often an update starts over because another one came first. */
  update_attempts_max: 20,
  initial_events_max: 50,
  events_per_request_max: 1_000,
  /** Of one message or one tool result. */
  content_blocks_max: 1_000,
  /**
   * Of images and documents: what Anthropic's Messages API takes, as platform.claude.com says under "Images and vision"
   * and "PDF support". Sizes are those of the base64. An image may have 10 MB (5 MB on Bedrock and Google Cloud), a
   * whole request 32 MB; the rest of that is for the text. With more than `images_many` images in a request, no side
   * may be longer than `images_many_side_px_max`. The models with the larger windows take more than `images_max`.
   */
  image_base64_chars_max: 10 << 20,
  image_side_px_max: 8_000,
  images_max: 100,
  images_many: 20,
  images_many_side_px_max: 2_000,
  media_chars_max: 24 << 20,
  title_chars_max: 1_000,
  /** What waits for people, on a page. */
  pending_actions_page: 20,
  pending_actions_page_max: 100,
  /** What went wrong, on a page. */
  session_errors_page: 20,
  session_errors_page_max: 100,
  /** How far behind each of them the log is read for what has come of it. */
  session_error_entries_read: 1_000,
  /** Buckets of a report of usage, by their width, and rows in all of them together. */
  usage_days: 7,
  usage_days_max: 31,
  usage_hours: 24,
  usage_hours_max: 168,
  usage_rows_max: 10_000,
} as const;
