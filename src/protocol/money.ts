import { z } from "zod";

/** Whole cents, as the API writes money: a decimal string without leading zeros. */
export const monetaryAmount = z.object({ amount: z.string(), currency: z.literal("USD") });
export type MonetaryAmount = z.infer<typeof monetaryAmount>;

/** The most that a session may cost at list prices. */
export const budget = z.object({ type: z.literal("limit"), max_list_cost: monetaryAmount });
export type Budget = z.infer<typeof budget>;

const cents = z
  .string()
  .regex(/^[1-9]\d{0,11}$/, 'must be a whole number of cents, 1 or more, as a string: "2500" is $25.00');

export const budgetParams = z.strictObject({
  type: z.literal("limit"),
  max_list_cost: z.strictObject({
    amount: cents,
    currency: z.literal("USD", 'must be "USD"'),
  }),
});

/** Costs are counted in billionths of a dollar, so that no request is rounded away. */
export const nanoPerDollar = 1_000_000_000;
export const nanoPerCent = nanoPerDollar / 100;

export const amountOf = (nanoDollars: number): MonetaryAmount => ({
  amount: String(Math.round(nanoDollars / nanoPerCent)),
  currency: "USD",
});

export const budgetOf = (capCents: number): Budget => ({
  type: "limit",
  max_list_cost: { amount: String(capCents), currency: "USD" },
});

export const centsOf = (limit: Budget): number => Number(limit.max_list_cost.amount);

/** Whether a session that has cost this much may ask its model no more. */
export const isSpent = (capCents: number, nanoDollars: number): boolean =>
  nanoDollars >= capCents * nanoPerCent;

/** Shown to people: `$1.50`. */
export const dollars = (nanoDollars: number): string => `$${(nanoDollars / nanoPerDollar).toFixed(2)}`;
