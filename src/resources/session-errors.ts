import type { Database, Statement } from "../db/database.ts";
import { limits } from "../limits.ts";
import { type Entry, wireEvent } from "../log/entry.ts";
import { decodeCursor, type Page, pageFrom } from "../protocol/page.ts";
import {
  type ErrorOutcome,
  errorPosition,
  type ListSessionErrors,
  type SessionErrorItem,
} from "../protocol/session-errors.ts";
import type { SessionStatus } from "../protocol/sessions.ts";

// What has come of one is told by the first entry behind it in its thread that says that the model has answered, or that the
// turn has ended; a session is not read on for longer than some entries, and one that rests has ended its turn anyway. A fork
// has the entries of another session from before it was made: they are the other one's.
const list = (endedTurn: boolean): Statement => ({
  name: endedTurn ? "session_error_list_ended" : "session_error_list",
  text: `
with found as materialized (
  select e.*, s.title, s.agent_id, s.agent ->> 'name' as agent_name
  from event e cross join lateral (
    select * from session where id = e.session_id and ($5 or archived_at is null)
      and (forked_from is null or e.created_at >= created_at)) s
  where e.workspace_id = $1 and e.audience = 'session'
    and (e.type = 'session.error' ${endedTurn ? "and not is_retried(e.body)" : ""}
      or e.type = 'session.status_idle' and is_refused(e.body))
    and ($2::timestamptz is null or (e.created_at, e.session_id, e.seq) < ($2, $3, $4::bigint))
  order by e.created_at desc, e.session_id desc, e.seq desc limit $6
)
select f.*, h.status as session_status, case
    when not is_retried(f.body) then 'ended_turn'
    when later.type = 'span.model_request_end' then 'recovered'
    when later.type is not null or h.status in ('idle', 'terminated') then 'gave_up'
    else 'retrying' end as outcome
from found f join session_head h on h.session_id = f.session_id
  left join lateral (
    select v.type from event v
    where v.session_id = f.session_id and v.seq > f.seq and v.seq <= f.seq + ${limits.session_error_entries_read} and v.thread_id = f.thread_id
      and (v.type in ('turn_failed', 'session.thread_status_idle', 'session.thread_status_terminated')
        or v.type = 'span.model_request_end' and (v.body -> 'is_error')::text = 'false')
      and is_retried(f.body)
    order by v.seq limit 1) later on true
order by f.created_at desc, f.session_id desc, f.seq desc`,
});
const lists = { all: list(false), ended: list(true) };

interface Row extends Entry {
  title: string | null;
  agent_id: string;
  agent_name: string;
  session_status: SessionStatus;
  outcome: ErrorOutcome;
}

/** What went wrong in all sessions of a workspace, the newest first. */
export async function listSessionErrors(
  db: Database,
  workspaceId: string,
  { limit, page, ended_turn, include_archived }: ListSessionErrors,
): Promise<Page<SessionErrorItem>> {
  const scope = { list: "session_errors", order: "desc" } as const;
  const after = decodeCursor(page, scope, errorPosition)?.position;
  const rows = await db.query<Row>(ended_turn ? lists.ended : lists.all, [
    workspaceId,
    after?.at ?? null,
    after?.session_id ?? null,
    after?.seq ?? null,
    include_archived,
    limit + 1,
  ]);
  const positionOf = ({ created_at, session_id, seq }: Row) => ({ at: created_at, session_id, seq });
  return pageFrom(rows, limit, scope, positionOf, itemOf);
}

const itemOf = ({
  title,
  agent_id,
  agent_name,
  session_status,
  outcome,
  ...entry
}: Row): SessionErrorItem => ({
  type: "session_error",
  session_id: entry.session_id,
  session_title: title,
  session_status,
  agent: { id: agent_id, name: agent_name },
  event: wireEvent(entry),
  outcome,
});
