import { z } from "zod";
import type { ModelUse, ToolDefinition } from "../../models/model.ts";
import { failed, type ReplayPolicy, type ToolResult } from "../tool.ts";
import type { Conversation } from "./sources.ts";

/**
 * A tool that runs in the server's own process and not in the sandbox. Of what it has begun nothing is left when the
 * server ends, so it has to be one that may be run again.
 */
export interface WebTool {
  definition: ToolDefinition;
  replay: Extract<ReplayPolicy, "safe">;
  run(input: Record<string, unknown>, use: WebUse): Promise<WebToolResult>;
}

export interface WebToolResult extends ToolResult {
  /** Searches that count in the session's usage and cost. */
  web_searches?: number;
  /** A model that took part, whose tokens count there too. */
  model_use?: ModelUse;
}

/** What one call comes with. */
export interface WebUse<Config extends object = object> {
  /** As the agent has it for this tool. */
  config: Config;
  conversation: Conversation;
  signal: AbortSignal;
}

export function defineWebTool<Schema extends z.ZodType<object>, Config extends object>(tool: {
  name: string;
  description: string;
  input: Schema;
  replay: WebTool["replay"];
  run(input: z.infer<Schema>, use: WebUse<Config>): Promise<WebToolResult>;
}): WebTool {
  const { $schema: _, ...input_schema } = z.toJSONSchema(tool.input, { io: "input" });
  return {
    definition: { name: tool.name, description: tool.description, input_schema },
    replay: tool.replay,
    async run(input, use) {
      const parsed = tool.input.safeParse(input);
      if (!parsed.success) return failed(`The input is not valid:\n${z.prettifyError(parsed.error)}`);
      // An agent's configuration was checked when the agent was made.
      return tool.run(parsed.data, use as WebUse<Config>);
    },
  };
}
