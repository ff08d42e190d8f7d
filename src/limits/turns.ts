export const turns = {
  /** Share of a model's context from which on room is made, and which clearing old results has to get below. */
  context_full_share: 0.8,
  context_cleared_share: 0.6,
  /** Tokens of a result that is worth clearing, and the newest rounds of tool use that are left alone. */
  clear_result_tokens_min: 1_000,
  clear_rounds_kept: 3,
  /** Attempts at a summary that show the model the conversation as it was; later ones tell it as text. */
  whole_summary_attempts: 2,
  /** What is left of a result where a summary that spared it was not enough. */
  squeezed_result_chars: 2_000,
  /** Compactions in a row without an answer in between. */
  compactions_max: 3,
  /** Entries after which the next brain need not read those before. */
  checkpoint_entries: 5_000,
  /** Time that a turn may take, waits for the client left out. */
  turn_ms_max: 24 * 3_600_000,
  /** Tool rounds in one turn. */
  tool_rounds_max: 500,
  parallel_tool_calls_max: 64,
  /** Under the policy `auto`: time of one judgement, judgements at a time, and calls of one reply that are judged. */
  judge_ms: 30_000,
  judge_parallel_max: 8,
  judge_calls_max: 64,
  /** What the judge is shown: a call (a longer one is not judged), the user's words, and what went before. */
  judge_call_chars_max: 64_000,
  judge_user_chars_max: 32_000,
  judge_conversation_chars_max: 16_000,
  judge_conversation_messages_max: 20,
  /** Of its answer, thoughts included. */
  judge_answer_tokens_max: 4_096,
} as const;
