/** A tool of an MCP server as a session's log keeps it, and as the model is told of it. */
export interface McpTool {
  /** As the server calls it. */
  name: string;
  description: string;
  /** JSON Schema of the input, `type: "object"`. */
  input_schema: Record<string, unknown>;
  /** The server says that it changes nothing, or nothing more when it is called again. */
  repeatable: boolean;
}
