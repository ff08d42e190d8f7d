import { z } from "zod";

/** What a server of tools gets to hear that asks for a user's answer: nobody sits at a session. */
export type Elicitation =
  | "decline"
  /** A form whose every field has a default or may be left out is sent back with its defaults; any other is declined. */
  | "defaults";

export const mcpShape = z.strictObject({
  elicitation: z.enum(["decline", "defaults"], "must be decline or defaults").optional(),
});

export interface McpSettings {
  elicitation: Elicitation;
}

export const mcpSettings = ({ elicitation = "decline" }: z.infer<typeof mcpShape>): McpSettings => ({
  elicitation,
});
