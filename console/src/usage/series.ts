import type { UsageReport, UsageResult } from "../../../src/protocol/usage.ts";

type Buckets = UsageReport["data"];

export const readTokens = (result: UsageResult): number =>
  result.input_tokens + result.cache_read_input_tokens + writtenTokens(result);

/** What models have put into their caches. */
export const writtenTokens = ({ cache_creation }: UsageResult): number =>
  cache_creation.ephemeral_1h_input_tokens + cache_creation.ephemeral_5m_input_tokens;

/** How much of what models have read was in their cache, from 0 to 1; null where nothing was read. */
export function cacheShare(results: readonly UsageResult[]): number | null {
  const read = results.reduce((sum, result) => sum + readTokens(result), 0);
  return read === 0 ? null : results.reduce((sum, result) => sum + result.cache_read_input_tokens, 0) / read;
}

const sumOf = (of: (result: UsageResult) => number) => (results: readonly UsageResult[]) =>
  results.reduce((sum, result) => sum + of(result), 0);

/** What a chart shows of the usage. A share is of each series by itself, all else adds up. */
export const measures = {
  cost: { name: "Cost", of: sumOf((result) => Number(result.list_cost.amount) / 100) },
  tokens: { name: "All tokens", of: sumOf((result) => readTokens(result) + result.output_tokens) },
  input: { name: "Tokens in, not cached", of: sumOf((result) => result.input_tokens) },
  output: { name: "Tokens out", of: sumOf((result) => result.output_tokens) },
  cached: { name: "Read from the cache", of: sumOf((result) => result.cache_read_input_tokens) },
  written: { name: "Written to the cache", of: sumOf(writtenTokens) },
  share: { name: "Share of the cache", of: cacheShare },
  active: { name: "Active time", of: sumOf((result) => result.active_seconds) },
  requests: { name: "Model requests", of: sumOf((result) => result.model_requests) },
} as const satisfies Record<string, { name: string; of: (results: readonly UsageResult[]) => number | null }>;
export type Measure = keyof typeof measures;

/** Those that all tokens are the sum of. */
const kinds = ["input", "cached", "written", "output"] as const;

export interface Series {
  name: string;
  /** Null where there is none to tell: of nothing there is no share. */
  values: (number | null)[];
}

export interface Chart {
  /** The beginnings of the buckets, in `s` since 1970. */
  times: number[];
  series: Series[];
  /** Whether the series stand on top of each other. */
  stacked: boolean;
}

const seriesMax = 6;

const timesOf = (buckets: Buckets) => buckets.map(({ starting_at }) => Date.parse(starting_at) / 1_000);
const sum = (values: readonly (number | null)[]) =>
  values.reduce<number>((all, value) => all + (value ?? 0), 0);

/** The largest by name, and one of all others. What is grouped has one key each; without keys it is one series. */
export function chartOf(
  buckets: Buckets,
  measure: Measure,
  keyOf: ((result: UsageResult) => string) | null,
  nameOf: (key: string) => string = (key) => key,
): Chart {
  if (keyOf === null && measure === "tokens")
    return {
      times: timesOf(buckets),
      series: kinds.map((kind) => ({
        name: measures[kind].name,
        values: buckets.map(({ results }) => measures[kind].of(results)),
      })),
      stacked: true,
    };
  const { of } = measures[measure];
  const name = measures[measure].name;
  const keys = new Set(buckets.flatMap(({ results }) => results.map((result) => keyOf?.(result) ?? name)));
  const seriesOf = (wanted: ReadonlySet<string>): Series["values"] =>
    buckets.map(({ results }) => of(results.filter((result) => wanted.has(keyOf?.(result) ?? name))));
  const weightOf = (key: string) => {
    // A share says nothing of how much it is of.
    const weight = measure === "share" ? measures.tokens.of : of;
    const own = new Set([key]);
    return sum(
      buckets.map(({ results }) => weight(results.filter((result) => own.has(keyOf?.(result) ?? name)))),
    );
  };
  const ordered = [...keys]
    .map((key) => ({ key, weight: weightOf(key) }))
    .toSorted((a, b) => b.weight - a.weight)
    .map(({ key }) => key);
  const shown = ordered.slice(0, ordered.length > seriesMax ? seriesMax - 1 : seriesMax);
  const others = ordered.slice(shown.length);
  const series = shown.map((key) => ({
    name: keyOf === null ? name : nameOf(key),
    values: seriesOf(new Set([key])),
  }));
  if (others.length > 0) series.push({ name: `${others.length} others`, values: seriesOf(new Set(others)) });
  return { times: timesOf(buckets), series, stacked: measure !== "share" };
}
