import type Anthropic from "@anthropic-ai/sdk";
import type {
  BetaManagedAgentsBudgetLimit as Budget,
  BetaManagedAgentsSession as Session,
} from "@anthropic-ai/sdk/resources/beta/sessions/sessions";
import { exits, Failure } from "../exits.ts";
import { dollarsOf } from "./table.ts";

const form = /^\$?(\d{1,8})(?:\.(\d{1,2}))?$/;

/** Of so many dollars, `2.50` or `$2.50`. */
export function budgetOf(text: string): Budget {
  const [, dollars = "", cents = ""] = form.exec(text) ?? [];
  const amount = Number(dollars) * 100 + Number(cents.padEnd(2, "0"));
  if (amount === 0) throw new Failure("a budget is a number of dollars: 2.50", exits.usage);
  return { type: "limit", max_list_cost: { amount: String(amount), currency: "USD" } };
}

/** Sets what a session may cost, or removes it with `none`, where either is wanted. */
export const setBudget = async (
  { beta: { sessions } }: Anthropic,
  session: string,
  wanted: string | undefined,
): Promise<Session> =>
  wanted === undefined
    ? sessions.retrieve(session)
    : sessions.update(session, { budget: wanted === "none" ? null : budgetOf(wanted) });

export function budgetLine({ budget, usage }: Session): string {
  const cost = usage.list_cost;
  const used = cost ? `${dollarsOf(cost.amount)} used` : "no price is known of what was used";
  return budget ? `${used} of ${dollarsOf(budget.max_list_cost.amount)}` : `${used}; there is no budget`;
}
