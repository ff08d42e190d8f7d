export const tools = {
  /** Of a bash call that names none; and the most it may ask for. */
  bash_timeout_ms: 120_000,
  bash_timeout_ms_max: 1_800_000,
  file_tool_timeout_ms: 60_000,
  /** A call of a tool that changes nothing is run again this often: each time something has died under it. */
  tool_replays_max: 3,
  /** How long an interrupt waits for a command to end, when its host does not answer. */
  cancel_grace_ms: 10_000,
  /** Text of one tool result. What is longer is kept in a file, and the model sees this much of its two ends, together. */
  tool_output_chars_max: 100_000,
  tool_preview_chars: 16_000,
  /** What a step in the sandbox hands over: as many characters of UTF-8, at three bytes for each. */
  tool_output_bytes_max: 300_000,
  /** The largest PDF that is shown to the model, and the largest file of which the lines are counted. */
  pdf_read_base64_chars_max: 16 << 20,
  lines_counted_bytes_max: 64 << 20,
  /** The largest file that can be edited, and what may become of it. */
  edit_bytes_max: 8 << 20,
  edited_bytes_max: 32 << 20,
  /** Of a path and a pattern that a model names; the system takes no longer paths. */
  tool_path_chars_max: 4_096,
  tool_pattern_chars_max: 4_096,
  /** Files that `glob` names, and lines that `grep` shows. */
  glob_files_max: 100,
  grep_lines_max: 1_000,
  /** One kept output, and all of a session's together; then the oldest go. */
  kept_output_bytes_max: 64 << 20,
  kept_outputs_bytes_max: 1 << 30,
} as const;
