import type Anthropic from "@anthropic-ai/sdk";
import type { BucketWidth, UsageReport, UsageResult } from "../../protocol/usage.ts";
import { exits, Failure } from "../exits.ts";
import { type Form, printDrawn } from "../print.ts";
import { visible } from "../terminal.ts";
import { agentId } from "./agents.ts";
import { pagesOf } from "./listed.ts";
import { askOwn } from "./own-routes.ts";
import { sessionId } from "./sessions.ts";
import { type Cell, dollarsOf, table } from "./table.ts";

export type Grouping = "day" | "hour" | "agent" | "model";

export interface UsageOptions extends Form {
  by?: Grouping[];
  since?: string;
  until?: string;
  agent?: string;
  model?: string;
  session?: string;
  csv?: boolean;
}

const route = "/v1/usage";
const hour_ms = 3_600_000;
const day_ms = 24 * hour_ms;

export async function showUsage(client: Anthropic, options: UsageOptions): Promise<void> {
  const by = options.by ?? ["day"];
  const query = await queryOf(client, by, options);
  if (options.csv) return printCsv(client, query);
  const buckets = await Array.fromAsync(
    pagesOf((page) =>
      askOwn(client, route, () => client.get<UsageReport>(route, { query: { ...query, ...page } })),
    ),
  );
  const names = by.includes("agent") && !options.json ? await agentNames(client) : new Map<string, string>();
  printDrawn(options, buckets, (buckets) => drawn(buckets, by, names));
  if (options.json) return;
  const used = sumOf(buckets.flatMap(({ results }) => results));
  if (used.count === 0) process.stderr.write(`nothing was used since ${query.starting_at.slice(0, 16)}Z\n`);
  if (used.unpriced > 0)
    process.stderr.write(
      `${used.unpriced} uses of models that have no list price are in no cost: DROVER_PRICES gives them one\n`,
    );
}

async function queryOf(client: Anthropic, by: readonly Grouping[], options: UsageOptions) {
  const bucket_width: BucketWidth = by.includes("hour") ? "1h" : "1d";
  const { since = bucket_width === "1h" ? "24h" : "7d", until } = options;
  const starting_at = timeOf(since, bucket_width);
  const ending_at = until === undefined ? undefined : timeOf(until, bucket_width);
  if (ending_at !== undefined && ending_at <= starting_at)
    throw new Failure("--until: must be later than --since", exits.usage);
  return {
    starting_at,
    bucket_width,
    group_by: by.flatMap((name) => (name === "agent" ? ["agent_id"] : name === "model" ? [name] : [])),
    limit: bucket_width === "1h" ? 168 : 31,
    ...(ending_at !== undefined && { ending_at }),
    ...(options.agent !== undefined && { agent_id: await agentId(client, options.agent) }),
    ...(options.model !== undefined && { model: options.model }),
    ...(options.session !== undefined && { session_id: await sessionId(client, options.session) }),
  };
}

/** The last `7d` are today and the six days before. */
function timeOf(text: string, width: BucketWidth, now = Date.now()): string {
  const [, count, unit] = /^(\d+)([hdw])$/.exec(text) ?? [];
  if (count === undefined) return new Date(text).toISOString();
  const back = Number(count) * (unit === "h" ? hour_ms : unit === "d" ? day_ms : 7 * day_ms);
  return new Date(
    now - Math.max(0, back - (width === "1h" ? hour_ms : unit === "h" ? 0 : day_ms)),
  ).toISOString();
}

/** Page after page of the server's own table, under one head. */
async function printCsv(client: Anthropic, query: Record<string, unknown>): Promise<void> {
  let page: string | null = null;
  do {
    const asked = { ...query, format: "csv", ...(page !== null && { page }) };
    const response: Response = await askOwn(client, route, () =>
      client.get(route, { query: asked }).asResponse(),
    );
    const text: string = await response.text();
    const rows = page === null ? text : text.slice(text.indexOf("\n") + 1);
    process.stdout.write(process.stdout.isTTY ? visible(rows.replaceAll("\r\n", "\n")) : rows);
    page = response.headers.get("next-page");
  } while (page !== null);
}

async function agentNames(client: Anthropic): Promise<Map<string, string>> {
  const agents = client.beta.agents.list({ limit: 100, include_archived: true });
  return new Map((await Array.fromAsync(agents)).map(({ id, name }) => [id, name]));
}

interface Sum {
  /** Results that are in it. */
  count: number;
  requests: number;
  input: number;
  cached: number;
  output: number;
  /** In cents. */
  cost: number;
  seconds: number;
  unpriced: number;
  /** Null where it is of several buckets or groups: a session may be in more than one of them. */
  sessions: number | null;
}

const sumOf = (results: readonly UsageResult[]): Sum => ({
  count: results.length,
  requests: added(results, ({ model_requests }) => model_requests),
  input: added(
    results,
    ({
      input_tokens,
      cache_read_input_tokens,
      cache_creation: { ephemeral_5m_input_tokens, ephemeral_1h_input_tokens },
    }) => input_tokens + cache_read_input_tokens + ephemeral_5m_input_tokens + ephemeral_1h_input_tokens,
  ),
  cached: added(results, ({ cache_read_input_tokens }) => cache_read_input_tokens),
  output: added(results, ({ output_tokens }) => output_tokens),
  cost: added(results, ({ list_cost }) => Number(list_cost.amount)),
  seconds: added(results, ({ active_seconds }) => active_seconds),
  unpriced: added(results, ({ unpriced_uses }) => unpriced_uses),
  sessions: results.length > 1 ? null : (results[0]?.sessions ?? 0),
});

const added = (results: readonly UsageResult[], of: (result: UsageResult) => number): number =>
  results.reduce((sum, result) => sum + of(result), 0);

function drawn(buckets: UsageReport["data"], by: readonly Grouping[], names: Map<string, string>): string {
  const keyOf: Record<Grouping, (result: UsageResult, starting_at: string) => string> = {
    day: (_, at) => at.slice(0, 10),
    hour: (_, at) => `${at.slice(0, 16)}Z`,
    agent: ({ agent_id: id }) => (id === null ? "(outside of sessions)" : (names.get(id) ?? id)),
    model: ({ model }) => model ?? "(no model)",
  };
  const rows = new Map<string, { keys: string[]; results: UsageResult[] }>();
  for (const { starting_at, results } of buckets)
    for (const result of results) {
      const keys = by.map((name) => keyOf[name](result, starting_at));
      // Two agents may have one name.
      const group = JSON.stringify([keys, by.includes("agent") && result.agent_id]);
      const row = rows.get(group);
      if (row) row.results.push(result);
      else rows.set(group, { keys, results: [result] });
    }
  if (rows.size === 0) return "";
  const isInOrder = by.includes("day") || by.includes("hour");
  const sums = [...rows.values()].map(({ keys, results }) => ({ keys, sum: sumOf(results) }));
  if (!isInOrder) sums.sort((a, b) => b.sum.cost - a.sum.cost || b.sum.input - a.sum.input);
  const all = sumOf([...rows.values()].flatMap(({ results }) => results));
  const total = ["total", ...by.slice(1).map(() => "")];
  const lines = sums.map(({ keys, sum }) => [...keys, ...cellsOf(sum)]);
  return table(
    [...by, "requests", "input", "cached", "output", "cost", "worked", "sessions"],
    sums.length > 1 ? [...lines, [...total, ...cellsOf(all)].map(bold)] : lines,
    process.stdout,
  );
}

const cellsOf = ({ requests, input, cached, output, cost, seconds, sessions }: Sum): Cell[] => [
  requests,
  input,
  { text: share(cached, input), is_number: true },
  output,
  { text: dollarsOf(cost), is_number: true },
  { text: duration(seconds), is_number: true },
  sessions ?? "",
];

const bold = (cell: Cell): Cell =>
  typeof cell === "object" ? { ...cell, style: "bold" } : { text: String(cell), style: "bold" };

/** Of the tokens that went in, those that were read from a cache. */
const share = (cached: number, input: number): string =>
  input === 0 ? "" : `${Math.round((100 * cached) / input)}%`;

/** "4.2 s", "3m 20s", "2h 5m". */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${seconds < 10 ? seconds.toFixed(1) : whole} s`;
  const minutes = Math.floor(whole / 60);
  return minutes < 60 ? `${minutes}m ${whole % 60}s` : `${Math.floor(minutes / 60)}h ${minutes % 60}m`;
}
