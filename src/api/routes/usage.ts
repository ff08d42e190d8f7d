import { type UsageReport, usageQuery, usageReport } from "../../protocol/usage.ts";
import { readUsage } from "../../resources/usage.ts";
import type { Table } from "../csv.ts";
import { type Route, route } from "../route.ts";

const columns = [
  "starting_at",
  "ending_at",
  "agent_id",
  "model",
  "input_tokens",
  "cache_read_input_tokens",
  "ephemeral_5m_input_tokens",
  "ephemeral_1h_input_tokens",
  "output_tokens",
  "web_search_requests",
  "model_requests",
  "unpriced_uses",
  "active_seconds",
  "sessions",
  "list_cost_usd_cents",
] as const;

/** A row for each result: a bucket without one has none. */
const tableOf = ({ data, next_page }: UsageReport): Table => ({
  filename: "usage.csv",
  columns,
  next_page,
  rows: data.flatMap(({ starting_at, ending_at, results }) =>
    results.map((result) => [
      starting_at,
      ending_at,
      result.agent_id,
      result.model,
      result.input_tokens,
      result.cache_read_input_tokens,
      result.cache_creation.ephemeral_5m_input_tokens,
      result.cache_creation.ephemeral_1h_input_tokens,
      result.output_tokens,
      result.server_tool_use.web_search_requests,
      result.model_requests,
      result.unpriced_uses,
      result.active_seconds,
      result.sessions,
      result.list_cost.amount,
    ]),
  ),
});

export const usageRoutes: Route[] = [
  route({
    beta: null,
    method: "GET",
    path: "/v1/usage",
    summary:
      "What the workspace has used, in hours or days: tokens, cost, requests of models, time, sessions",
    query: usageQuery,
    response: usageReport,
    csv: tableOf,
    handle: ({ db, principal, query }) => readUsage(db, principal.workspaceId, query),
  }),
];
