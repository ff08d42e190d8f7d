import { Link } from "@tanstack/react-router";
import type { UsageReport, UsageResult } from "../../../../src/protocol/usage.ts";
import { count, money } from "../../format/number.ts";
import { duration } from "../../format/time.ts";
import { Table } from "../../ui/table.tsx";
import { type Chart, cacheShare, writtenTokens } from "../../usage/series.ts";

export const percent = (share: number): string => `${Math.round(share * 100)}%`;

/** What each has used in all of the time, and all of them together. */
export function UsageTable({
  results,
  heading,
  keyOf,
  nameOf,
}: {
  results: readonly UsageResult[];
  heading: string;
  keyOf: ((result: UsageResult) => string) | null;
  nameOf: (key: string) => string;
}) {
  const groups = keyOf ? [...Map.groupBy(results, keyOf)] : [];
  const rows = groups
    .map(([key, own]) => ({ key, own, cost: sum(own, cost) }))
    .toSorted((a, b) => b.cost - a.cost)
    .map(({ key, own }) => ({
      key,
      cells: [<Named key="name" id={key} name={nameOf(key)} />, ...figures(own)],
    }));
  const head = [
    heading,
    ...[
      "Cost",
      "In, not cached",
      "Cache read",
      "Cache written",
      "Share of cache",
      "Tokens out",
      "Requests",
      "Active",
    ].map(numbers),
  ];
  const all = { key: "all of them", cells: [<strong key="name">All</strong>, ...figures(results)] };
  return <Table head={head} rows={rows.length === 1 ? rows : [...rows, all]} />;
}

const Named = ({ id, name }: { id: string; name: string }) =>
  id.startsWith("agent_") ? (
    <Link to="/agents/$agentId" params={{ agentId: id }} className="underline decoration-line">
      {name}
    </Link>
  ) : (
    name
  );

/** A column of them. */
const numbers = (name: string) => ({ name, of: "numbers" }) as const;

const cost = (result: UsageResult) => Number(result.list_cost.amount);
const sum = (results: readonly UsageResult[], of: (result: UsageResult) => number) =>
  results.reduce((all, result) => all + of(result), 0);

/** What has no price is in no sum, and is not free either. */
function costOf(results: readonly UsageResult[]): string {
  const unpriced = sum(results, (result) => result.unpriced_uses);
  const all = sum(results, cost);
  if (unpriced === 0) return money(all);
  return all === 0 ? "no list price" : `${money(all)} and ${count(unpriced)} without a price`;
}

function figures(results: readonly UsageResult[]): string[] {
  const share = cacheShare(results);
  return [
    costOf(results),
    count(sum(results, (result) => result.input_tokens)),
    count(sum(results, (result) => result.cache_read_input_tokens)),
    count(sum(results, writtenTokens)),
    share === null ? "–" : percent(share),
    count(sum(results, (result) => result.output_tokens)),
    count(sum(results, (result) => result.model_requests)),
    duration(sum(results, (result) => result.active_seconds) * 1_000).replaceAll(" ", "\u00a0"),
  ];
}

/** What the chart shows, in numbers: for whoever reads rather than looks. */
export function ChartTable({
  chart: { times, series },
  buckets,
  format,
  nameOf,
}: {
  chart: Chart;
  buckets: UsageReport["data"];
  format: (value: number) => string;
  nameOf: (time: number) => string;
}) {
  return (
    <details className="mt-4">
      <summary className="text-muted">The chart as a table</summary>
      <div className="mt-2">
        <Table
          head={["From", ...series.map(({ name }) => numbers(name))]}
          rows={times.map((time, n) => ({
            key: String(time),
            cells: [
              <time key="time" dateTime={buckets[n]?.starting_at} title={buckets[n]?.starting_at}>
                {nameOf(time)}
              </time>,
              ...series.map(({ values }) => {
                const value = values[n];
                return value === null || value === undefined ? "–" : format(value);
              }),
            ],
          }))}
        />
      </div>
    </details>
  );
}
