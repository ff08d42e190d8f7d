/** A custom tool: what calls it is answered by the client. */
export const lookup = {
  type: "custom" as const,
  name: "lookup",
  description: "Looks something up.",
  input_schema: { type: "object" as const, properties: {} },
};

/** The built-in tools. */
export const toolset = { type: "agent_toolset_20260401" as const };

/** The built-in tools, where each call waits for the client's permission. */
export const asking = {
  ...toolset,
  default_config: { permission_policy: { type: "always_ask" as const } },
};
