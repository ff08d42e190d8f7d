import assert from "node:assert/strict";
import { test } from "node:test";
import type { UsageResult } from "../../../src/protocol/usage.ts";
import { cacheShare, chartOf } from "./series.ts";

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
    ({ agent_id }) => agent_id ?? "",
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
    ({ agent_id }) => agent_id ?? "",
  );
  assert.equal(many.series.length, 6);
  assert.deepEqual(many.series.at(-1), { name: "4 others", values: [6] });
});

test("the share of the cache is of all that was read", () => {
  assert.equal(cacheShare([]), null);
  assert.equal(cacheShare([result("a", 1, 30)]), 0.75);
});
