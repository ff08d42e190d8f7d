import type { UsageReport, UsageResult } from "../../../src/protocol/usage.ts";

/** What a chart shows of the usage. */
export const measures = {
  cost: { name: "Cost", of: (result: UsageResult) => Number(result.list_cost.amount) / 100 },
  tokens: {
    name: "Tokens",
    of: (result: UsageResult) => readTokens(result) + result.output_tokens,
  },
  cached: {
    name: "Read from the cache",
    of: (result: UsageResult) => result.cache_read_input_tokens,
  },
  active: { name: "Active seconds", of: (result: UsageResult) => result.active_seconds },
  requests: { name: "Model requests", of: (result: UsageResult) => result.model_requests },
} as const;
export type Measure = keyof typeof measures;

export const readTokens = (result: UsageResult): number =>
  result.input_tokens +
  result.cache_read_input_tokens +
  result.cache_creation.ephemeral_1h_input_tokens +
  result.cache_creation.ephemeral_5m_input_tokens;

/** How much of what models have read was in their cache, from 0 to 1; null where nothing was read. */
export function cacheShare(results: readonly UsageResult[]): number | null {
  const read = results.reduce((sum, result) => sum + readTokens(result), 0);
  return read === 0 ? null : results.reduce((sum, result) => sum + result.cache_read_input_tokens, 0) / read;
}

export interface Series {
  name: string;
  values: number[];
}

export interface Chart {
  /** The beginnings of the buckets, in `s` since 1970. */
  times: number[];
  series: Series[];
}

const seriesMax = 6;

/** The largest by name, and one of all others. */
export function chartOf(
  buckets: UsageReport["data"],
  measure: Measure,
  nameOf: (result: UsageResult) => string,
): Chart {
  const { of } = measures[measure];
  const byName = new Map<string, number[]>();
  for (const [n, { results }] of buckets.entries())
    for (const result of results) {
      const name = nameOf(result);
      const values = byName.get(name) ?? Array.from({ length: buckets.length }, () => 0);
      values[n] = (values[n] ?? 0) + of(result);
      byName.set(name, values);
    }
  const sum = (values: readonly number[]) => values.reduce((all, value) => all + value, 0);
  const all = [...byName]
    .map(([name, values]) => ({ name, values }))
    .toSorted((a, b) => sum(b.values) - sum(a.values));
  const shown = all.slice(0, all.length > seriesMax ? seriesMax - 1 : seriesMax);
  const others = all.slice(shown.length);
  if (others.length > 0)
    shown.push({
      name: `${others.length} others`,
      values: buckets.map((_, n) => sum(others.map(({ values }) => values[n] ?? 0))),
    });
  return { times: buckets.map(({ starting_at }) => Date.parse(starting_at) / 1_000), series: shown };
}
