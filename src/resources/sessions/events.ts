import type { Database, Statement } from "../../db/database.ts";
import type { Entry } from "../../log/entry.ts";
import { type ListEvents, type PlaceInLog, placeInLog } from "../../protocol/event-lists.ts";
import type { SessionEvent } from "../../protocol/events.ts";
import { decodeCursor, type Page, pageFrom } from "../../protocol/page.ts";
import { sessionNotFound, threadNotFound } from "./read.ts";

// An event stands where it was taken up: server events at their own seq, queued ones at that of the promotion that
// names them, and those still waiting behind all others. All pages show the log as it was at the first one: what is taken
// up in between would not be in its place. Streams have it, and later lists. Listing counts as having seen the session's
// events.
const list = (order: "asc" | "desc"): Statement => {
  const than = order === "asc" ? ">" : "<";
  const original = "select * from event where session_id = $2 and seq = p.of_seq";
  return {
    name: `event_list_${order}`,
    text: `
with mark as (
  update session_head set seen = true where session_id = $2 and workspace_id = $1 and not seen
    and ($4::text is null or exists (select from thread where session_id = $2 and id = $4))
), head as materialized (
  select coalesce($13::bigint, seq) as seq from session_head where session_id = $2 and workspace_id = $1
), taken as (
  select 0 as waiting, p.seq as place, coalesce(o.id, p.id) as id, coalesce(o.type, p.type) as type,
    coalesce(o.body, p.body) as body, p.created_at as processed_at
  from event p left join lateral (${original}) o on true
  where p.session_id = $2 and p.workspace_id = $1 and (p.audience in ('session', $3) or p.of_seq is not null)
    and p.thread_id = coalesce($4, p.thread_id)
    and p.seq <= (select seq from head) and ($5::bigint is null or p.seq ${than} $5)
    and ($7::text[] is null or coalesce(o.type, p.type) = any($7))
    and ($8::timestamptz is null or p.created_at > $8) and ($9::timestamptz is null or p.created_at >= $9)
    and ($10::timestamptz is null or p.created_at < $10) and ($11::timestamptz is null or p.created_at <= $11)
  order by p.seq ${order} limit $12
), queued as (
  select 1 as waiting, e.seq as place, e.id, e.type, e.body, null::timestamptz as processed_at
  from event e
  where e.session_id = $2 and e.workspace_id = $1 and e.audience = 'queued'
    and e.thread_id = coalesce($4, e.thread_id)
    and not exists (select from event p where p.session_id = $2 and p.of_seq = e.seq and p.seq <= (select seq from head))
    and e.seq <= (select seq from head) and ($6::bigint is null or e.seq ${than} $6) ${order === "asc" ? "" : "and $5::bigint is null"}
    and ($7::text[] is null or e.type = any($7))
    and coalesce($8, $9, $10, $11) is null
  order by e.seq ${order} limit $12
)
select both_kinds.*, (select seq from head) as head from (select * from taken union all select * from queued) as both_kinds
order by waiting ${order}, place ${order} limit $12`,
  };
};
const lists = { asc: list("asc"), desc: list("desc") };

interface ListedRow extends Pick<Entry, "id" | "type" | "body"> {
  waiting: number;
  place: number;
  head: number;
  processed_at: string | null;
}

const exists: Statement = {
  name: "thread_exists",
  text: `select t.id from session s left join thread t on t.session_id = s.id and t.id = $3
    where s.id = $2 and s.workspace_id = $1`,
};

/** The events of a session, or of one of its threads. */
export async function listEvents(
  db: Database,
  workspaceId: string,
  sessionId: string,
  threadId: string | null,
  query: ListEvents,
): Promise<Page<SessionEvent>> {
  const scope = { list: `events ${threadId ?? sessionId}`, order: query.order };
  const cursor = decodeCursor(query.page, scope, placeInLog);
  const range = query.created_at ?? {};
  const rows = await db.query<ListedRow>(lists[query.order], [
    workspaceId,
    sessionId,
    threadId === null ? "session" : "thread",
    threadId,
    cursor?.position.taken ?? null,
    cursor?.position.waiting ?? null,
    query.types ?? null,
    range.gt ?? null,
    range.gte ?? null,
    range.lt ?? null,
    range.lte ?? null,
    query.limit + 1,
    cursor?.position.head ?? null,
  ]);
  if (rows.length === 0) await requireThread(db, workspaceId, sessionId, threadId);
  return pageFrom(
    rows,
    query.limit,
    scope,
    (row) => ({ head: row.head, ...placeAfter(rows.slice(0, query.limit), cursor?.position) }),
    (row) => ({ id: row.id, type: row.type, ...row.body, processed_at: row.processed_at }) as SessionEvent,
  );
}

function placeAfter(shown: ListedRow[], before: PlaceInLog | undefined): Omit<PlaceInLog, "head"> {
  const last = (waiting: number) => shown.findLast((row) => row.waiting === waiting)?.place;
  return { taken: last(0) ?? before?.taken ?? null, waiting: last(1) ?? before?.waiting ?? null };
}

async function requireThread(
  db: Database,
  workspaceId: string,
  sessionId: string,
  threadId: string | null,
): Promise<void> {
  const [row] = await db.query<{ id: string | null }>(exists, [workspaceId, sessionId, threadId]);
  if (!row) throw sessionNotFound(sessionId);
  if (threadId !== null && row.id === null) throw threadNotFound(threadId);
}
