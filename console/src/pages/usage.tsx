import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useMemo } from "react";
import type { Agent } from "../../../src/protocol/agents.ts";
import type { UsageReport, UsageResult } from "../../../src/protocol/usage.ts";
import { pathWith } from "../api/request.ts";
import { listOptions, oneOptions } from "../api/resources.ts";
import { count, money, short } from "../format/number.ts";
import { visible } from "../format/text.ts";
import { duration } from "../format/time.ts";
import { buttonClass } from "../ui/button.tsx";
import { Empty, ProblemNotice } from "../ui/notice.tsx";
import { Select } from "../ui/select.tsx";
import { Table } from "../ui/table.tsx";
import { BarChart } from "../usage/bar-chart.tsx";
import { cacheShare, chartOf, type Measure, measures, readTokens } from "../usage/series.ts";
import { Page } from "./page.tsx";

const route = getRouteApi("/shell/usage");

export const ranges = { "24h": "24 hours", "7d": "7 days", "31d": "31 days" } as const;
export type Range = keyof typeof ranges;
const groups = { agent_id: "by agent", model: "by model" } as const;
export type Group = keyof typeof groups;

const dayMs = 86_400_000;
const daysOf: Record<Range, number> = { "24h": 1, "7d": 7, "31d": 31 };

function queryOf(range: Range, group: Group) {
  const from = new Date(Date.now() - (daysOf[range] - (range === "24h" ? 0 : 1)) * dayMs);
  return {
    starting_at: `${from.toISOString().slice(0, 13)}:00:00Z`,
    bucket_width: range === "24h" ? "1h" : "1d",
    limit: range === "24h" ? 25 : daysOf[range],
    group_by: [group],
  };
}

const dollars = (value: number) => `$${value.toFixed(value < 1 ? 3 : 2)}`;

/** Tokens, cost and time, per hour or day, by agent or by model. */
export function UsagePage() {
  const { range = "7d", group = "agent_id", measure = "cost" } = route.useSearch();
  const navigate = route.useNavigate();
  const path = pathWith("/v1/usage", queryOf(range, group));
  const usage = useQuery(oneOptions<UsageReport>(path));
  const agents = useInfiniteQuery(listOptions<Agent>("/v1/agents", { include_archived: true }));
  const names = useMemo(() => new Map(agents.data?.map(({ id, name }) => [id, name])), [agents.data]);
  const buckets = usage.data?.data;
  const nameOf = useMemo(
    () => (result: UsageResult) =>
      visible(
        group === "model"
          ? (result.model ?? "no model")
          : (names.get(result.agent_id ?? "") ?? result.agent_id ?? "no agent"),
      ),
    [group, names],
  );
  const chart = useMemo(() => chartOf(buckets ?? [], measure, nameOf), [buckets, measure, nameOf]);
  const results = buckets?.flatMap((bucket) => bucket.results) ?? [];
  const set = (changed: { range?: Range; group?: Group; measure?: Measure }) =>
    navigate({ search: (before) => ({ ...before, ...changed }), replace: true });

  return (
    <Page
      title="Usage"
      actions={
        <>
          <Select
            label="What"
            value={measure}
            choices={namesOf(measures)}
            onChange={(value) => set({ measure: value })}
          />
          <Select label="By" value={group} choices={groups} onChange={(value) => set({ group: value })} />
          <Select label="Time" value={range} choices={ranges} onChange={(value) => set({ range: value })} />
          <a className={buttonClass("plain")} href={`${path}&format=csv`} download="usage.csv">
            CSV
          </a>
        </>
      }
    >
      {usage.error && <ProblemNotice error={usage.error} retry={() => usage.refetch()} />}
      {buckets && results.length === 0 && (
        <Empty title="Nothing was used in this time">Once agents work, what they use stands here.</Empty>
      )}
      {results.length > 0 && (
        <>
          <BarChart
            chart={chart}
            format={measure === "cost" ? dollars : short}
            label={`${measures[measure].name} ${groups[group]} in the last ${ranges[range]}; the table below has the sums`}
          />
          <div className="mt-4">
            <Table
              head={[
                group === "model" ? "model" : "agent",
                "cost",
                "tokens in",
                "from the cache",
                "tokens out",
                "requests",
                "active",
              ]}
              rows={[...grouped(results, nameOf)].map(([name, own]) => ({
                key: name,
                cells: cellsOf(name, own),
              }))}
            />
          </div>
        </>
      )}
    </Page>
  );
}

const namesOf = (of: typeof measures) =>
  Object.fromEntries(Object.entries(of).map(([key, { name }]) => [key, name])) as Record<Measure, string>;

const grouped = (results: readonly UsageResult[], nameOf: (result: UsageResult) => string) =>
  Map.groupBy(results, nameOf);

function cellsOf(name: string, results: readonly UsageResult[]) {
  const sum = (of: (result: UsageResult) => number) => results.reduce((all, result) => all + of(result), 0);
  const share = cacheShare(results);
  return [
    name,
    money(sum((result) => Number(result.list_cost.amount))),
    count(sum(readTokens)),
    share === null ? "" : `${Math.round(share * 100)}%`,
    count(sum((result) => result.output_tokens)),
    count(sum((result) => result.model_requests)),
    duration(sum((result) => result.active_seconds) * 1_000),
  ];
}
