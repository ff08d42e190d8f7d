import type { Database, Statement } from "../db/database.ts";

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

const spendOutside: Statement = {
  name: "spend_outside",
  text: `
insert into spend (session_id, day, workspace_id, agent_id, nano)
values ($1, (drover_now() at time zone 'UTC')::date, $1, '', $2)
on conflict (session_id, day) do update set nano = spend.nano + excluded.nano`,
};

/** What a workspace has spent outside of its sessions. */
export async function addSpent(db: Database, workspaceId: string, nano: number): Promise<void> {
  if (nano > 0) await db.query(spendOutside, [workspaceId, nano]);
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
