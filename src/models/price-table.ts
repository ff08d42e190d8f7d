import type { PriceTable } from "./prices.ts";

/**
 * Public list prices in US dollars per million tokens, as published by the vendor on the date below. `simulated` costs
 * nothing to anybody; it has a price so that budgets can be tried with it.
 */
export const listPrices: PriceTable = {
  as_of: "2026-11-21",
  models: {
    "claude-fable-5-1": priced(10, 50, { cache_read: 0.25 }),
    "claude-fable-5": priced(10, 50),
    "claude-opus-5-5": { ...priced(4, 20, { cache_read: 0.2 }), fast_factor: 2 },
    "claude-opus-5": priced(5, 25),
    "claude-opus-4-8": priced(5, 25),
    "claude-opus-4-7": priced(5, 25),
    "claude-opus-4-6": priced(5, 25),
    "claude-opus-4-5": priced(5, 25),
    "claude-sonnet-5-5": priced(2, 10, { cache_read: 0.1 }),
    "claude-sonnet-5": priced(2, 10),
    "claude-sonnet-4-6": priced(3, 15),
    "claude-sonnet-4-5": priced(3, 15),
    "claude-haiku-5-5": {
      ...priced(0.1, 0.5),
      long_prompt: { above_tokens: 100_000, ...priced(0.5, 2.5) },
    },
    "claude-haiku-4-5": priced(1, 5),
    simulated: priced(1, 5),
  },
};

/** Cache writes cost 1.25 times the input for 5 minutes and twice for an hour; reads a tenth, where nothing else is said. */
function priced(input: number, output: number, changed: { cache_read?: number } = {}) {
  return {
    input,
    output,
    cache_write_5m: input * 1.25,
    cache_write_1h: input * 2,
    cache_read: changed.cache_read ?? input / 10,
  };
}
