export const mcp = {
  /** To connect to an MCP server and hear of all its tools. */
  mcp_list_ms: 30_000,
  /** How long a call may take without a word of its progress, and in all. */
  mcp_call_ms: 120_000,
  mcp_call_ms_max: 1_800_000,
  /** A connection that nobody has used for so long is closed, and how long saying so to the server may take. */
  mcp_idle_ms: 60_000,
  mcp_goodbye_ms: 2_000,
  /** Connections of one process, and those of one workspace: the other places are kept for whoever comes later. */
  mcp_connections_max: 1_000,
  mcp_connections_per_workspace_max: 750,
  /** One message of a server, and all that comes as the answer to one request, in `bytes`. */
  mcp_message_bytes_max: 16 << 20,
  mcp_answer_bytes_max: 64 << 20,
  /** Values in the JSON of one message. */
  mcp_message_values_max: 500_000,
  /** Questions of a server on one connection that have no answer yet; more end it. */
  mcp_asked_at_once_max: 64,
  /** A stream that broke is asked for again after a pause between these, whatever the server says, and so often in all. */
  mcp_retry_ms_min: 250,
  mcp_retry_ms_max: 30_000,
  mcp_retries_max: 100,
  /** What a server may offer: pages of tools, and tools; and how many of a page are looked at. */
  mcp_pages_max: 64,
  mcp_tools_max: 128,
  mcp_tools_looked_at_max: 1_000,
  /** Of one tool, and of what the model is told of all of a server's. */
  mcp_tool_name_chars_max: 128,
  mcp_description_chars_max: 8_000,
  mcp_schema_chars_max: 32_000,
  mcp_schema_depth_max: 32,
  mcp_tools_chars_max: 400_000,
  /** Tools that were left out which the client is told of. */
  mcp_left_out_told_max: 20,
  mcp_error_chars_max: 2_000,
} as const;
