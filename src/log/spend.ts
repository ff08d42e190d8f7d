import type { Database, Statement } from "../db/database.ts";
import type { ModelUsage } from "../models/model.ts";

/** What was spent at list prices, in billionths of a dollar. A day is the present one of UTC. */
export interface Spent {
  day: string;
  agent: number;
  agent_day: number;
  workspace: number;
  workspace_day: number;
}

const statement: Statement = {
  name: "spent",
  text: `
with now as (select (drover_now() at time zone 'UTC')::date as day)
select now.day::text,
  coalesce(sum(s.nano) filter (where s.agent_id = $2), 0)::bigint as agent,
  coalesce(sum(s.nano) filter (where s.agent_id = $2 and s.day = now.day), 0)::bigint as agent_day,
  coalesce(sum(s.nano), 0)::bigint as workspace,
  coalesce(sum(s.nano) filter (where s.day = now.day), 0)::bigint as workspace_day
from now left join spend s on s.workspace_id = $1 and (s.day = now.day or $3)
group by now.day`,
};

// A cost of nothing is no row of what was spent.
const spendOutside: Statement = {
  name: "spend_outside",
  text: `
with spent as (
  insert into spend (session_id, day, workspace_id, agent_id, nano)
  select $1, (drover_now() at time zone 'UTC')::date, $1, '', $2::bigint where $2::bigint > 0
  on conflict (session_id, day) do update set nano = spend.nano + excluded.nano
)
insert into usage_hour as u (session_id, hour, model, workspace_id, agent_id, nano, input_tokens, output_tokens,
  cache_read_tokens, cache_5m_tokens, cache_1h_tokens, web_searches, requests, unpriced)
values ($1, date_trunc('hour', drover_now()), $3, $1, '', $2, $4, $5, $6, $7, $8, $9, 1, $10)
on conflict (session_id, hour, model) do update set
  input_tokens = u.input_tokens + excluded.input_tokens, output_tokens = u.output_tokens + excluded.output_tokens,
  cache_read_tokens = u.cache_read_tokens + excluded.cache_read_tokens,
  cache_5m_tokens = u.cache_5m_tokens + excluded.cache_5m_tokens, cache_1h_tokens = u.cache_1h_tokens + excluded.cache_1h_tokens,
  web_searches = u.web_searches + excluded.web_searches, requests = u.requests + 1, unpriced = u.unpriced + excluded.unpriced,
  nano = u.nano + excluded.nano`,
};

/** One request for a message outside of sessions, and what it took. */
export interface UsedOutside {
  model: string;
  usage: ModelUsage;
  searches: number;
  /** Null: its tokens have no list price. */
  nano: number | null;
  searches_nano: number;
}

/** What a workspace has used and spent outside of its sessions. */
export async function addSpent(db: Database, workspaceId: string, used: UsedOutside): Promise<void> {
  const { usage } = used;
  await db.query(spendOutside, [
    workspaceId,
    (used.nano ?? 0) + used.searches_nano,
    used.model,
    usage.input_tokens,
    usage.output_tokens,
    usage.cache_read_input_tokens,
    usage.cache_creation_5m_input_tokens,
    usage.cache_creation_1h_input_tokens,
    used.searches,
    used.nano === null ? 1 : 0,
  ]);
}

/** Of an agent and its workspace; without `everSince` the sums of all time are those of the day. */
export async function readSpent(
  db: Database,
  workspaceId: string,
  agentId: string,
  everSince: boolean,
): Promise<Spent> {
  const [row] = await db.query<Spent>(statement, [workspaceId, agentId, everSince]);
  if (!row) throw new Error("the sums of what was spent have no row");
  return row;
}
