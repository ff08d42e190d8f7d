import type { ModelUsage } from "../models/model.ts";
import type { PricedModel } from "../models/prices.ts";
import { isSpent } from "../protocol/money.ts";
import type { AgentFacts, SessionFacts } from "./session.ts";
import type { State } from "./state.ts";

/** What things cost, and the caps that hold beside a session's own budget. */
export interface Spending {
  /** In billionths of a dollar; null when the model has no list price. */
  costOf(model: PricedModel, usage: ModelUsage): number | null;
  /** Whether all models that the agent makes use of have a list price. */
  isPriced(agent: AgentFacts): boolean;
  /** What a search of the web costs, in billionths of a dollar. */
  search_nano: number;
  /** What an hour of a running session costs, in billionths of a dollar. */
  runtime_nano_per_hour: number;
}

/** Why the model may not be asked. */
export type Stopped = { by: "budget" } | { by: "cap"; message: string };

/** What a session has cost at a time (`ms` since 1970), in billionths of a dollar; null when one of its models has no price. */
export function spentNano(state: State, facts: SessionFacts, spending: Spending, now: number): number | null {
  if (!spending.isPriced(state.agent ?? facts.agent)) return null;
  const runningMs = state.running_since === null ? 0 : Math.max(0, now - state.running_since);
  const runtime = ((state.active_ms + runningMs) * spending.runtime_nano_per_hour) / 3_600_000;
  return state.spent_nano + Math.round(runtime);
}

/** The session's budget, in cents. */
export const budgetCents = (state: State, facts: SessionFacts): number | null =>
  state.budget_cents === undefined ? facts.budget_cents : state.budget_cents;

/** A model without a price cannot be measured, so it is as if it had spent everything. */
export function isAtCap(state: State, facts: SessionFacts, spending: Spending, now: number): boolean {
  const budget = budgetCents(state, facts);
  return (
    budget !== null && isSpent(budget, spentNano(state, facts, spending, now) ?? Number.POSITIVE_INFINITY)
  );
}
