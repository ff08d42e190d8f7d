import type { Database, Statement } from "../../db/database.ts";
import { notFound } from "../../protocol/errors.ts";
import {
  decodeCursor,
  requirePositionInRange,
  type TwoWayPage,
  timePosition,
  twoWayPageFrom,
} from "../../protocol/page.ts";
import type { ListSessions, Session } from "../../protocol/sessions.ts";
import type { ListThreads, Thread } from "../../protocol/threads.ts";
import { type SessionRow, sessionColumns, type ThreadRow, toSession, toThread } from "./row.ts";

export const sessionNotFound = (id: string) => notFound(`session ${id} not found`);
export const threadNotFound = (id: string) => notFound(`thread ${id} not found`);

const get: Statement = {
  name: "session_get",
  text: `select ${sessionColumns} from session s join session_head h on h.session_id = s.id
    where s.id = $2 and s.workspace_id = $1`,
};

export async function getSession(db: Database, workspaceId: string, id: string): Promise<Session> {
  return toSession(await getSessionRow(db, workspaceId, id));
}

export async function getSessionRow(db: Database, workspaceId: string, id: string): Promise<SessionRow> {
  const [row] = await db.query<SessionRow>(get, [workspaceId, id]);
  if (!row) throw sessionNotFound(id);
  return row;
}

const list = (direction: "forward" | "backward"): Statement => {
  const [than, order] = direction === "forward" ? [">", "asc"] : ["<", "desc"];
  return {
    name: `session_list_${direction}`,
    text: `
select ${sessionColumns} from session s join session_head h on h.session_id = s.id
where s.workspace_id = $1
  and ($2::timestamptz is null or (s.created_at, s.id) ${than} ($2, $3))
  and ($4::text is null or s.agent_id = $4)
  and ($5::int is null or s.agent_version = $5)
  and ($6::text[] is null or h.status = any($6))
  and ($7 or s.archived_at is null)
  and ($8::timestamptz is null or s.created_at > $8) and ($9::timestamptz is null or s.created_at >= $9)
  and ($10::timestamptz is null or s.created_at < $10) and ($11::timestamptz is null or s.created_at <= $11)
order by s.created_at ${order}, s.id ${order} limit $12`,
  };
};
const lists = { forward: list("forward"), backward: list("backward") };

export async function listSessions(
  db: Database,
  workspaceId: string,
  query: ListSessions,
): Promise<TwoWayPage<Session>> {
  const scope = { list: "sessions", order: query.order };
  const cursor = decodeCursor(query.page, scope, timePosition);
  const range = query.created_at ?? {};
  if (cursor) requirePositionInRange(cursor.position, range);
  const forward = (query.order === "asc") !== (cursor?.back ?? false);
  // Nothing in this version creates sessions with a deployment or a memory store.
  const none = query.deployment_id !== undefined || query.memory_store_id !== undefined;
  const rows = none
    ? []
    : await db.query<SessionRow>(lists[forward ? "forward" : "backward"], [
        workspaceId,
        cursor?.position.at ?? null,
        cursor?.position.id ?? null,
        query.agent_id ?? null,
        query.agent_id === undefined ? null : (query.agent_version ?? null),
        query.statuses ?? null,
        query.include_archived,
        range.gt ?? null,
        range.gte ?? null,
        range.lt ?? null,
        range.lte ?? null,
        query.limit + 1,
      ]);
  return twoWayPageFrom(
    rows,
    query.limit,
    scope,
    cursor,
    (row) => ({ at: row.created_at, id: row.id }),
    toSession,
  );
}

const threads: Statement = {
  name: "thread_list",
  text: `select ${sessionColumns}, t.id as thread_id, t.parent_id, t.status as thread_status,
      t.created_at as thread_created_at, greatest(t.updated_at, h.last_at) as thread_updated_at,
      t.archived_at as thread_archived_at,
      extract(epoch from h.first_turn_at - t.created_at)::float8 as startup_seconds
    from session s join session_head h on h.session_id = s.id join thread t on t.session_id = s.id
    where s.id = $2 and s.workspace_id = $1 order by t.created_at, t.id`,
};

export async function listThreads(
  db: Database,
  workspaceId: string,
  sessionId: string,
  query: ListThreads,
): Promise<{ data: Thread[]; next_page: string | null }> {
  const rows = await db.query<ThreadRow>(threads, [workspaceId, sessionId]);
  if (rows.length === 0) throw sessionNotFound(sessionId);
  decodeCursor(query.page, { list: `threads ${sessionId}`, order: "asc" }, timePosition);
  const shown = rows.filter((row) => !query.statuses || query.statuses.includes(row.thread_status));
  return { data: shown.slice(0, query.limit).map(toThread), next_page: null };
}

export async function getThread(
  db: Database,
  workspaceId: string,
  sessionId: string,
  threadId: string,
): Promise<Thread> {
  const rows = await db.query<ThreadRow>(threads, [workspaceId, sessionId]);
  if (rows.length === 0) throw sessionNotFound(sessionId);
  const row = rows.find((candidate) => candidate.thread_id === threadId);
  if (!row) throw threadNotFound(threadId);
  return toThread(row);
}
