import type { Database, Statement } from "../db/database.ts";
import { limits } from "../limits.ts";
import { invalid } from "../protocol/errors.ts";
import { nanoPerCent } from "../protocol/money.ts";
import { decodeCursor, encodeCursor } from "../protocol/page.ts";
import { bucketPosition, type UsageQuery, type UsageReport, type UsageResult } from "../protocol/usage.ts";

const nowStatement: Statement = { name: "usage_now", text: "select drover_now() as now" };

// By the hours of the workspace, or by those of one session. What is grouped by is one value for all where it is not asked for.
const statement: Statement = {
  name: "usage_report",
  text: `
select date_trunc($2, hour) as bucket, case when $5 then agent_id end as agent_id, case when $6 then model end as model,
  sum(input_tokens)::bigint as input_tokens, sum(output_tokens)::bigint as output_tokens,
  sum(cache_read_tokens)::bigint as cache_read_tokens, sum(cache_5m_tokens)::bigint as cache_5m_tokens,
  sum(cache_1h_tokens)::bigint as cache_1h_tokens, sum(web_searches)::bigint as web_searches,
  sum(requests)::bigint as requests, sum(unpriced)::bigint as unpriced, sum(nano)::bigint as nano,
  sum(active_us)::bigint as active_us, count(distinct session_id) filter (where session_id <> $1) as sessions
from usage_hour
where workspace_id = $1 and hour >= $3 and hour < $4
  and ($7::text is null or agent_id = $7) and ($8::text is null or model = $8) and ($9::text is null or session_id = $9)
group by 1, 2, 3 order by 1, 2, 3 limit $10`,
};

interface Row {
  bucket: string;
  agent_id: string | null;
  model: string | null;
  input_tokens: number;
  output_tokens: number;
  cache_read_tokens: number;
  cache_5m_tokens: number;
  cache_1h_tokens: number;
  web_searches: number;
  requests: number;
  unpriced: number;
  nano: number;
  active_us: number;
  sessions: number;
}

const widths = {
  "1d": { ms: 86_400_000, unit: "day", count: limits.usage_days, max: limits.usage_days_max },
  "1h": { ms: 3_600_000, unit: "hour", count: limits.usage_hours, max: limits.usage_hours_max },
} as const;

/** What a workspace has used in each bucket, whatever has become of its sessions. */
export async function readUsage(db: Database, workspaceId: string, query: UsageQuery): Promise<UsageReport> {
  const width = widths[query.bucket_width];
  const { limit = width.count } = query;
  if (limit > width.max)
    throw invalid(`limit: must be at most ${width.max} with bucket_width=${query.bucket_width}`);
  const floor = (time: string) => Math.floor(Date.parse(time) / width.ms) * width.ms;
  const [now] = await db.query<{ now: string }>(nowStatement, []);
  const begin = floor(query.starting_at);
  const present = floor(now?.now ?? "") + width.ms;
  const end = Math.min(present, query.ending_at === undefined ? present : ceiling(query.ending_at, width.ms));
  if (end <= begin) throw invalid("ending_at: must be after starting_at, which must not be in the future");

  const scope = { list: `usage ${query.bucket_width}`, order: "asc" } as const;
  const at = decodeCursor(query.page, scope, bucketPosition)?.position.at;
  const first = at === undefined ? begin : floor(at);
  if (first < begin || first >= end)
    throw invalid("page: lies outside of starting_at and ending_at; start again without page");
  const last = Math.min(end, first + limit * width.ms);
  const rows = await db.query<Row>(statement, [
    workspaceId,
    width.unit,
    new Date(first).toISOString(),
    new Date(last).toISOString(),
    query.group_by.includes("agent_id"),
    query.group_by.includes("model"),
    query.agent_id ?? null,
    query.model ?? null,
    query.session_id ?? null,
    limits.usage_rows_max + 1,
  ]);
  if (rows.length > limits.usage_rows_max)
    throw invalid(`limit: these buckets have more than ${limits.usage_rows_max} rows; ask for fewer of them`);
  const byBucket = Map.groupBy(rows, ({ bucket }) => Date.parse(bucket));
  const starts = Array.from({ length: (last - first) / width.ms }, (_, i) => first + i * width.ms);
  return {
    data: starts.map((start) => ({
      starting_at: secondOf(start),
      ending_at: secondOf(start + width.ms),
      results: (byBucket.get(start) ?? []).map(resultOf),
    })),
    has_more: last < end,
    next_page: last < end ? encodeCursor(scope, { at: secondOf(last) }) : null,
  };
}

const ceiling = (time: string, ms: number) => Math.ceil(Date.parse(time) / ms) * ms;

const secondOf = (ms: number) => new Date(ms).toISOString().replace(".000Z", "Z");

const resultOf = (row: Row): UsageResult => ({
  agent_id: row.agent_id || null,
  model: row.model || null,
  input_tokens: row.input_tokens,
  cache_read_input_tokens: row.cache_read_tokens,
  cache_creation: {
    ephemeral_5m_input_tokens: row.cache_5m_tokens,
    ephemeral_1h_input_tokens: row.cache_1h_tokens,
  },
  output_tokens: row.output_tokens,
  server_tool_use: { web_search_requests: row.web_searches },
  model_requests: row.requests,
  unpriced_uses: row.unpriced,
  active_seconds: row.active_us / 1_000_000,
  sessions: row.sessions,
  list_cost: { amount: cents(row.nano), currency: "USD" },
});

/** Exact: `0.0000001` cents is the least that is counted. */
function cents(nano: number): string {
  const fraction = String(nano % nanoPerCent)
    .padStart(7, "0")
    .replace(/0+$/, "");
  return `${Math.floor(nano / nanoPerCent)}${fraction && `.${fraction}`}`;
}
