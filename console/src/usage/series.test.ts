import assert from "node:assert/strict";
import { test } from "node:test";
import type { UsageResult } from "../../../src/protocol/usage.ts";
import { cacheShare, chartOf } from "./series.ts";

const keyOf = ({ agent_id }: UsageResult) => agent_id ?? "";

const result = (agent_id: string, model_requests: number, cached = 0): UsageResult => ({
  agent_id,
  model: null,
  input_tokens: 10,
  cache_read_input_tokens: cached,
  cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 },
  output_tokens: 0,
  server_tool_use: { web_search_requests: 0 },
  model_requests,
  unpriced_uses: 0,
  active_seconds: 0,
  sessions: 1,
  list_cost: { amount: "0", currency: "USD" },
});
const bucket = (day: number, results: UsageResult[]) => ({
  starting_at: `2026-01-0${day}T00:00:00Z`,
  ending_at: `2026-01-0${day + 1}T00:00:00Z`,
  results,
});

test("a chart has the largest by name, a nought where one has nothing, and the others as one", () => {
  const few = chartOf(
    [bucket(1, [result("a", 1)]), bucket(2, [result("b", 5), result("a", 2)])],
    "requests",
    keyOf,
  );
  assert.deepEqual(few.series, [
    { name: "b", values: [0, 5] },
    { name: "a", values: [1, 2] },
  ]);
  assert.equal(few.times[1], Date.UTC(2026, 0, 2) / 1_000);
  const many = chartOf(
    [
      bucket(
        1,
        Array.from({ length: 9 }, (_, n) => result(`agent ${n}`, n)),
      ),
    ],
    "requests",
    keyOf,
  );
  assert.equal(many.series.length, 6);
  assert.deepEqual(many.series.at(-1), { name: "4 others", values: [6] });
});

test("the share of the cache is of all that was read", () => {
  assert.equal(cacheShare([]), null);
  assert.equal(cacheShare([result("a", 1, 30)]), 0.75);
});

test("all tokens together are shown by their kinds, and all else as one", () => {
  const buckets = [bucket(1, [result("a", 1, 30), result("b", 2)]), bucket(2, [])];
  assert.deepEqual(
    chartOf(buckets, "tokens", null).series.map(({ values }) => values),
    [
      [20, 0],
      [30, 0],
      [0, 0],
      [0, 0],
    ],
  );
  assert.deepEqual(chartOf(buckets, "requests", null).series, [{ name: "Model requests", values: [3, 0] }]);
});

test("where nothing was read there is no share of the cache; a share is not stacked", () => {
  const chart = chartOf([bucket(1, [result("a", 1, 30)]), bucket(2, [result("b", 1)])], "share", keyOf);
  assert.equal(chart.stacked, false);
  assert.deepEqual(chart.series, [
    { name: "a", values: [0.75, null] },
    { name: "b", values: [null, 0] },
  ]);
});

test("two of one name are two", () => {
  const chart = chartOf([bucket(1, [result("a", 1), result("b", 2)])], "requests", keyOf, () => "Analyst");
  assert.deepEqual(chart.series, [
    { name: "Analyst", values: [2] },
    { name: "Analyst", values: [1] },
  ]);
});
