import { useMutation, useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useCallback, useMemo } from "react";
import type { UsageResult } from "../../../src/protocol/usage.ts";
import { count, short } from "../format/number.ts";
import { shortId, visible } from "../format/text.ts";
import { duration } from "../format/time.ts";
import { Button } from "../ui/button.tsx";
import { Empty, ProblemNotice } from "../ui/notice.tsx";
import { saveAs } from "../ui/save.ts";
import { Select } from "../ui/select.tsx";
import { BarChart } from "../usage/bar-chart.tsx";
import {
  bucketName,
  earlier,
  type Group,
  groups,
  later,
  ranges,
  spanOf,
  type UsageSearch,
  zoneNote,
} from "../usage/range.ts";
import { agentNamesOptions, csvOf, queryOf, usageOptions } from "../usage/report.ts";
import { chartOf, type Measure, measures } from "../usage/series.ts";
import { Page } from "./page.tsx";
import { ChartTable, percent, UsageTable } from "./usage/usage-table.tsx";

const route = getRouteApi("/shell/usage");

const currency = new Intl.NumberFormat("en", {
  style: "currency",
  currency: "USD",
  maximumFractionDigits: 4,
});
const dollars = (value: number) => currency.format(value);
const seconds = (value: number) => duration(value * 1_000);

const formatOf = (measure: Measure): ((value: number) => string) =>
  measure === "cost" ? dollars : measure === "active" ? seconds : measure === "share" ? percent : short;

const keyOf: Record<Group, ((result: UsageResult) => string) | null> = {
  agent_id: ({ agent_id }) => agent_id ?? "",
  model: ({ model }) => model ?? "",
  none: null,
};

/** Tokens, the share of the cache, cost and time, per hour or day, by agent or by model. */
export function UsagePage() {
  const { range = "7d", group = "agent_id", measure = "cost", until } = route.useSearch();
  const navigate = route.useNavigate();
  const set = (changed: UsageSearch) =>
    void navigate({ search: (before) => ({ ...before, ...changed }), replace: true, resetScroll: false });

  const { from, to, width } = spanOf(range, until);
  const span = { from, to, width };
  const query = queryOf(span, group === "none" ? null : group);
  const usage = useQuery(usageOptions(query));
  const names = useQuery({ ...agentNamesOptions, enabled: group === "agent_id" });
  const buckets = usage.data;
  const nameOf = useCallback(
    (key: string) =>
      visible(
        group === "model" ? key || "no model" : (names.data?.get(key) ?? (key ? shortId(key) : "no agent")),
      ),
    [group, names.data],
  );
  const chart = useMemo(
    () => chartOf(buckets ?? [], measure, keyOf[group], nameOf),
    [buckets, measure, group, nameOf],
  );
  const timeName = useCallback((time: number) => bucketName(width, time * 1_000), [width]);
  const results = buckets?.flatMap((bucket) => bucket.results) ?? [];
  const unpriced = results.reduce((all, { unpriced_uses }) => all + unpriced_uses, 0);
  const spanName = `${bucketName("1d", from)} – ${bucketName("1d", to - 1)}`;

  return (
    <Page title="Usage" actions={<Csv query={query} name={`usage ${spanName.replaceAll(" ", "-")}.csv`} />}>
      <div className="mb-3 flex flex-wrap items-center gap-2">
        <Select
          label="What"
          value={measure}
          choices={measureNames}
          onChange={(value) => set({ measure: value })}
        />
        <Select label="By" value={group} choices={groups} onChange={(value) => set({ group: value })} />
        <Select
          label="Time"
          value={range}
          choices={ranges}
          onChange={(value) => set({ range: value, until: undefined })}
        />
        <div className="flex items-center gap-1">
          <Button look="quiet" aria-label="Earlier" onClick={() => set({ until: earlier(span) })}>
            ←
          </Button>
          <span className="text-muted whitespace-nowrap" role="status">
            {spanName}
          </span>
          <Button
            look="quiet"
            aria-label="Later"
            disabled={until === undefined}
            onClick={() => set({ until: later(range, span) })}
          >
            →
          </Button>
        </div>
      </div>
      {usage.error && <ProblemNotice error={usage.error} retry={() => usage.refetch()} />}
      {usage.isPending && <p className="p-3 text-muted">Loading…</p>}
      {buckets && results.length === 0 && (
        <Empty title="Nothing was used in this time">
          Once agents work, what they use stands here. Look at an earlier time by the arrow above.
        </Empty>
      )}
      {buckets && results.length > 0 && (
        <>
          <BarChart
            chart={chart}
            format={formatOf(measure)}
            nameOf={timeName}
            label={`${measures[measure].name} ${groups[group]}, ${spanName}`}
          />
          <p className="mt-2 text-xs text-muted">
            {zoneNote(width)}
            {unpriced > 0 &&
              ` ${count(unpriced)} uses of models that have no list price are in no cost: give their prices in the configuration.`}
          </p>
          <ChartTable chart={chart} buckets={buckets} format={formatOf(measure)} nameOf={timeName} />
          <div className="mt-4">
            <UsageTable
              results={results}
              heading={group === "model" ? "Model" : group === "agent_id" ? "Agent" : "Of"}
              keyOf={keyOf[group]}
              nameOf={nameOf}
            />
          </div>
        </>
      )}
    </Page>
  );
}

const measureNames = Object.fromEntries(
  Object.entries(measures).map(([key, { name }]) => [key, name]),
) as Record<Measure, string>;

/** What is shown, with all that was used, in numbers. */
function Csv({ query, name }: { query: Parameters<typeof csvOf>[0]; name: string }) {
  const download = useMutation({
    mutationFn: () => csvOf(query),
    onSuccess: (table) => saveAs(name, table, "text/csv"),
  });
  return (
    <>
      {download.error && <ProblemNotice error={download.error} />}
      <Button busy={download.isPending} onClick={() => download.mutate()}>
        CSV
      </Button>
    </>
  );
}
