import { z } from "zod";
import { limits } from "../limits.ts";
import { sessionEvent } from "./events.ts";
import { pageQuery, timestamp } from "./page.ts";

/**
 * A *pending action* is what nobody but a person, or the program that speaks for one, can bring further: a tool that may run
 * when that is confirmed, one whose result the client makes, or work that goes on when its budget is raised. Beyond the official
 * API.
 */

export const pendingActionKind = z.enum(["tool_confirmation", "custom_tool_result", "budget"]);
export type PendingActionKind = z.infer<typeof pendingActionKind>;

export const pendingAction = z.object({
  type: z.literal("pending_action"),
  /** The event that answers it: `user.tool_confirmation` or `user.custom_tool_result`; a budget is one of the session. */
  kind: pendingActionKind,
  session_id: z.string(),
  session_title: z.string().nullable(),
  agent: z.object({ id: z.string(), name: z.string() }),
  /** The call: `agent.tool_use`, `agent.mcp_tool_use` or `agent.custom_tool_use`. Of a budget, the `session.status_idle`. */
  event: sessionEvent,
  /** Since when the session rests for it. */
  since: z.string(),
});
export type PendingAction = z.infer<typeof pendingAction>;

export const listPendingActionsQuery = pageQuery({
  default: limits.pending_actions_page,
  max: limits.pending_actions_page_max,
});
export type ListPendingActions = z.infer<typeof listPendingActionsQuery>;

/** Where the list stands: a session has several, which follow each other in its log. */
export const pendingPosition = z.strictObject({
  at: timestamp,
  session_id: z.string().max(100),
  seq: z.int().min(0),
});
