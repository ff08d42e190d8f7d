export const models = {
  /** Retries of a failed model request, and the wait before them: doubled each time, with jitter. */
  model_retries_max: 5,
  model_retry_first_ms: 500,
  model_retry_longest_ms: 60_000,
  /** Silence of a model provider, pings included, after which its connection counts as broken. */
  model_idle_ms: 120_000,
  /** Of one answer of a model, thoughts included: how long it may take, and its bytes on the wire once unpacked. */
  model_answer_ms_max: 2 * 3_600_000,
  model_answer_bytes_max: 64 << 20,
  /** What is told of an error that a provider explains at length. */
  model_error_chars_max: 2_000,
  /** How long an answer may take that is not streamed: whoever serves it says nothing before it is whole. */
  model_unstreamed_ms_max: 290_000,
  /** How long a model request waits for its turn with a provider that is used to the full, or asked for a pause. */
  model_turn_wait_ms_max: 60_000,
  /** How long all requests to a provider rest that told one of them to come back later. */
  model_pause_ms_max: 30_000,
  /** How long the command line waits for a provider to say that it is there. */
  model_probe_ms: 5_000,
  /** How long a provider's list of models is taken for the present one. */
  model_list_ms: 60_000,
  /** Model requests that a brain began and did not live to end, before the turn is given up. */
  model_orphans_max: 5,
} as const;
