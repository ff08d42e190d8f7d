import type { Database, Statement } from "../db/database.ts";
import { type Entry, wireEvent } from "../log/entry.ts";
import { decodeCursor, type Page, pageFrom } from "../protocol/page.ts";
import {
  type ListPendingActions,
  type PendingAction,
  type PendingActionKind,
  pendingPosition,
} from "../protocol/pending-actions.ts";

// The indexes `session_head_pending` and `session_head_at_cap` hold the sessions that wait for a person, and no other ones but
// those whose turn ended as it reached their budget. Each has an action at least, so a page takes no more sessions than
// actions, and one that it has shown in part. Of a session's log only the entries around its calls are read, and its last ones.
// An interrupt that has come ends all of it, though a brain has not taken it up; a budget stays what it is.
const statement: Statement = {
  name: "pending_action_list",
  text: `
with asking as (
  select h.session_id, h.status_at, h.asks, coalesce(h.asks_seq, h.seq) as asks_seq from session_head h
  where h.workspace_id = $1 and h.status = 'idle' and h.asks <> '{}' and awaits_person(h.asks)
    and (h.status_at, h.session_id) >= ($2::timestamptz, $3)
    and not exists (select from event i
      where i.session_id = h.session_id and i.seq > coalesce(h.asks_seq, h.seq) and i.type = 'user.interrupt')
  order by h.status_at, h.session_id limit $5 + 1
), at_cap as (
  select h.session_id, h.status_at, h.asks, h.seq from session_head h
  where h.workspace_id = $1 and h.status = 'idle' and h.at_cap and h.asks = '{}'
    and (h.status_at, h.session_id) >= ($2::timestamptz, $3)
    and (select (v.body -> 'stop_reason')::text like '%"budget_reached"%' from event v
      where v.session_id = h.session_id and v.type = 'session.thread_status_idle' order by v.seq desc limit 1)
  order by h.status_at, h.session_id limit $5 + 1
), waiting as materialized (
  select * from (select * from asking union all select * from at_cap) each
  order by status_at, session_id limit $5 + 1
)
select w.session_id, w.status_at, s.title, s.agent_id, s.agent ->> 'name' as agent_name,
  e.seq, e.id, e.thread_id, e.audience, e.type, e.of_seq, e.body, e.created_at
from waiting w join session s on s.id = w.session_id
  cross join lateral (
    select call.* from (
      select substr(ask, strpos(ask, ' ') + 1) as id from unnest(w.asks) as ask
      where ask like 'confirmation %' or ask like 'result %') a
      cross join lateral (
        select * from event v where v.session_id = w.session_id and v.seq <= w.asks_seq and v.id = a.id
        order by v.seq desc limit 1) call
    union all
    (select * from event v where w.asks = '{}' and v.session_id = w.session_id and v.type = 'session.status_idle'
      order by v.seq desc limit 1)) e
where (w.status_at, w.session_id, e.seq) > ($2::timestamptz, $3, $4::bigint)
order by w.status_at, w.session_id, e.seq limit $5`,
};

interface Row extends Entry {
  status_at: string;
  title: string | null;
  agent_id: string;
  agent_name: string;
}

/** What waits for a person, in all sessions of a workspace: what has waited longest comes first. */
export async function listPendingActions(
  db: Database,
  workspaceId: string,
  { limit, page }: ListPendingActions,
): Promise<Page<PendingAction>> {
  const scope = { list: "pending_actions", order: "asc" } as const;
  const after = decodeCursor(page, scope, pendingPosition)?.position;
  const rows = await db.query<Row>(statement, [
    workspaceId,
    after?.at ?? "-infinity",
    after?.session_id ?? "",
    after?.seq ?? 0,
    limit + 1,
  ]);
  const positionOf = ({ status_at, session_id, seq }: Row) => ({ at: status_at, session_id, seq });
  return pageFrom(rows, limit, scope, positionOf, actionOf);
}

function kindOf({ type }: Entry): PendingActionKind {
  if (type === "session.status_idle") return "budget";
  return type === "agent.custom_tool_use" ? "custom_tool_result" : "tool_confirmation";
}

const actionOf = ({ status_at, title, agent_id, agent_name, ...entry }: Row): PendingAction => ({
  type: "pending_action",
  kind: kindOf(entry),
  session_id: entry.session_id,
  session_title: title,
  agent: { id: agent_id, name: agent_name },
  event: wireEvent(entry),
  since: status_at,
});
