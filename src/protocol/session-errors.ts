import { z } from "zod";
import { limits } from "../limits.ts";
import { sessionEvent } from "./events.ts";
import { pageQuery, queryBoolean, timestamp } from "./page.ts";
import { sessionStatus } from "./sessions.ts";

/**
 * What went wrong in the sessions of a workspace: their `session.error` events, and what has come of each; and the turns that
 * a model has refused. Beyond the official API.
 */

/**
 * `ended_turn`: nothing goes on until the session gets an event. `retrying`: nothing has come of it yet. `recovered`: the
 * model has answered in its thread since. `gave_up`: that turn ended before it had.
 */
export const errorOutcome = z.enum(["ended_turn", "retrying", "recovered", "gave_up"]);
export type ErrorOutcome = z.infer<typeof errorOutcome>;

export const sessionErrorItem = z.object({
  type: z.literal("session_error"),
  session_id: z.string(),
  session_title: z.string().nullable(),
  /** What it does now. */
  session_status: sessionStatus,
  agent: z.object({ id: z.string(), name: z.string() }),
  /** As the session's log has it: a `session.error`, or a `session.status_idle` whose `stop_reason` is a refusal. */
  event: sessionEvent,
  outcome: errorOutcome,
});
export type SessionErrorItem = z.infer<typeof sessionErrorItem>;

export const listSessionErrorsQuery = pageQuery({
  default: limits.session_errors_page,
  max: limits.session_errors_page_max,
}).extend({
  /** True: only those that are not tried again. */
  ended_turn: queryBoolean.default(false),
  include_archived: queryBoolean.default(false),
});
export type ListSessionErrors = z.infer<typeof listSessionErrorsQuery>;

export const errorPosition = z.strictObject({
  at: timestamp,
  session_id: z.string().max(100),
  seq: z.int().min(0),
});
