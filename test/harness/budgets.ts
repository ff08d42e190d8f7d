import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";
import type { EventOf, StreamEvent } from "./session.ts";

/** A budget of so many cents. */
export const limit = (amount: string) => ({
  type: "limit" as const,
  max_list_cost: { amount, currency: "USD" as const },
});

/** The simulated model costs a dollar per million tokens in, so this costs 60 cents. */
export const cents60 = "usage in=600000";

/** Why the session is idle. */
export const reasonOf = (event: StreamEvent | undefined) =>
  (event as EventOf<"session.status_idle">).stop_reason.type;

/** Passes for a 400 that says so, and carries the code. */
export const refusal = (code: string | null, says: RegExp) => (error: unknown) => {
  assert.ok(error instanceof Anthropic.BadRequestError);
  assert.match(error.message, says);
  if (code) assert.match(error.message, new RegExp(code));
  return true;
};
