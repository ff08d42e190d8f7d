import { readFileSync } from "node:fs";
import { z } from "zod";
import { type ModelsConfig, namesOf } from "../config/models.ts";
import { type ModelUsage, promptTokens } from "./model.ts";

/** What a search of the web costs at list price, in billionths of a dollar: 10 dollars for a thousand. */
export const search_nano = 10_000_000;

/** US dollars per million tokens. */
const dollars = z.number().min(0);
const rates = z.strictObject({
  input: dollars,
  output: dollars,
  cache_write_5m: dollars,
  cache_write_1h: dollars,
  cache_read: dollars,
});
type Rates = z.infer<typeof rates>;

const modelPrice = rates.extend({
  /** The rates when the prompt, cached parts included, is longer. */
  long_prompt: rates.extend({ above_tokens: z.int().min(1) }).optional(),
  /** What fast speed multiplies all rates by; without it the model has no price at that speed. */
  fast_factor: z.number().min(1).optional(),
});

export const priceTable = z.strictObject({
  /** The day the prices were looked up. */
  as_of: z.iso.date(),
  /** By model id; a dated id falls back to the one without its date. */
  models: z.record(z.string(), modelPrice),
});
export type PriceTable = z.infer<typeof priceTable>;

export interface Prices {
  /** What the tokens cost at list price, in billionths of a dollar; null when the model has none. */
  costOf(model: PricedModel, usage: ModelUsage): number | null;
  has(model: PricedModel): boolean;
}

export interface PricedModel {
  id: string;
  speed?: "standard" | "fast";
}

/** A model has the price of its id, else of what that stands for, else of the same model wherever it is served. */
export function pricesOf({ models }: PriceTable, { aliases }: Pick<ModelsConfig, "aliases">): Prices {
  const byId = new Map(Object.entries(models));

  function find({ id, speed }: PricedModel) {
    const known = namesOf(id, { aliases })
      .flatMap(spellingsOf)
      .find((spelling) => byId.has(spelling));
    const price = byId.get(known ?? "");
    if (!price) return null;
    if (speed !== "fast") return { price, factor: 1 };
    return price.fast_factor === undefined ? null : { price, factor: price.fast_factor };
  }

  return {
    has: (model) => find(model) !== null,
    costOf(model, usage) {
      const found = find(model);
      if (!found) return null;
      const { price, factor } = found;
      const { long_prompt: long } = price;
      return Math.round(
        factor * tokensCost(long && promptTokens(usage) > long.above_tokens ? long : price, usage),
      );
    },
  };
}

/**
 * From the most exact on: as given, without the provider, without what Bedrock and Vertex put around Claude's names, and
 * without a date.
 */
function spellingsOf(id: string): string[] {
  if (id.startsWith("simulated/")) return [id, "simulated"];
  const model = id.replace(/^[^/]+\//, "");
  const bare = model.replace(/^.*[/.](?=claude-)/, "").replace(/(-v\d+)?(:\d+)?$/, "");
  return [id, model, bare, bare.replace(/[-@](\d{8}|\d{4}-\d\d-\d\d)$/, "")];
}

/** In billionths of a dollar: a dollar per million tokens is a thousand of them per token. */
function tokensCost(price: Rates, usage: ModelUsage): number {
  const perMillion =
    usage.input_tokens * price.input +
    usage.output_tokens * price.output +
    usage.cache_read_input_tokens * price.cache_read +
    usage.cache_creation_5m_input_tokens * price.cache_write_5m +
    usage.cache_creation_1h_input_tokens * price.cache_write_1h;
  return perMillion * 1000;
}

/** A table that replaces ours. Throws with what is wrong in it. */
export function readPriceTable(path: string): PriceTable {
  const parsed = priceTable.safeParse(jsonIn(path));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Error(`DROVER_PRICES: ${path}: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`);
}

function jsonIn(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new Error(`DROVER_PRICES: ${path} cannot be read: ${(error as Error).message}`);
  }
}
