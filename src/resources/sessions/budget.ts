import { type ApiError, invalid } from "../../protocol/errors.ts";
import { type Budget, centsOf, isSpent } from "../../protocol/money.ts";

interface Model {
  id: string;
  speed: string;
}

interface Tools {
  tools: readonly {
    type: string;
    configs?: readonly { name: string; enabled: boolean; permission_policy: { type: string } }[];
  }[];
}

/** Whether a second model decides about calls of the agent. */
export const isJudged = ({ tools }: Tools): boolean =>
  tools.some(({ configs = [] }) =>
    configs.some(({ enabled, permission_policy }) => enabled && permission_policy.type === "auto"),
  );

/** Whether the agent may search the web. */
export const isSearching = ({ tools }: Tools): boolean =>
  tools.some(({ configs = [] }) => configs.some(({ name, enabled }) => enabled && name === "web_search"));

const inWords = ({ id, speed }: Model) => `${id}${speed === "standard" ? "" : ` at ${speed} speed`}`;

export const notBudgetable = (model: Model) =>
  invalid(
    `budget: the model ${inWords(model)}, or one that judges its calls or searches the web for it, has no list price to measure it by; add one to the file that DROVER_PRICES names`,
    { code: "model_not_budgetable" },
  );

export const notCapped = (model: Model) =>
  invalid(
    `agent.model: this server has caps on what may be spent, and ${inWords(model)}, or a model that judges its calls or searches the web for it, has no list price to measure it by; add one to the file that DROVER_PRICES names (0 is a price)`,
    { code: "model_not_budgetable" },
  );

/** Why a session with this budget may not have that one instead; null when it may. */
export function refusedBudget(
  row: { budget_cents: number | null; spent_nano: number | null },
  asked: Budget,
): ApiError | null {
  if (row.budget_cents === null) {
    return invalid("budget: can only be set when a session is created, and not again once it was removed", {
      code: "budget_create_only",
    });
  }
  if (isSpent(centsOf(asked), row.spent_nano ?? Number.POSITIVE_INFINITY)) {
    return invalid("budget.max_list_cost must be greater than the session's consumed list cost", {
      code: "budget_not_raised",
    });
  }
  return null;
}
