import type { Database, Statement } from "../../db/database.ts";
import { removeFilesOf } from "../../log/session-files.ts";
import { primaryThreadOf } from "../../log/thread-id.ts";
import { invalid } from "../../protocol/errors.ts";
import { newId } from "../../protocol/ids.ts";
import type { Session } from "../../protocol/sessions.ts";
import { getSession, sessionNotFound } from "./read.ts";

interface Ended {
  status: string;
  ended: boolean;
  seq: number;
}

/** A worker that still serves the session hears of it with its next heartbeat. */
const stopsWork = `update work_item w set state = 'stopped', stopped_at = drover_now(), lease_until = null
  from ended e where w.id = e.work_id and w.state <> 'stopped'`;

// The epoch goes up, so that a brain that still holds the session is fenced off by the log and by the hands.
const archive: Statement = {
  name: "session_archive",
  text: `
with head as (
  select *, greatest(drover_now(), last_at + interval '1 microsecond') as at from session_head
  where session_id = $2 and workspace_id = $1 for no key update
), ended as (
  select * from head where status = 'idle'
), moved as (
  update session_head h set seq = h.seq + 2, last_at = e.at, status = 'terminated', runnable_at = null,
    lease_owner = null, lease_epoch = h.lease_epoch + 1, work_live = false
  from ended e where h.session_id = e.session_id
), changed as (
  update session s set archived_at = e.at, updated_at = e.at from ended e where s.id = e.session_id
), worked as (
  ${stopsWork}
), threads as (
  update thread t set status = 'terminated', updated_at = e.at from ended e where t.session_id = e.session_id
), written as (
  insert into event (workspace_id, session_id, seq, id, thread_id, audience, type, body, created_at)
  select $1, e.session_id, e.seq + n.n, n.id, $5, 'session', n.type, n.body::json, e.at
  from ended e cross join (values
    (1, $3, 'session.thread_status_terminated', $6),
    (2, $4, 'session.status_terminated', '{}')) as n (n, id, type, body)
), cleaned as (
  insert into cleanup (session_id, epoch, forked, try_at)
  select e.session_id, e.lease_epoch + 1, s.forked_from is not null, e.at from ended e join session s on s.id = e.session_id
  on conflict (session_id) do update set epoch = excluded.epoch, try_at = excluded.try_at
), rung as materialized (
  select pg_notify('drover', $7 || ' ' || session_id || ':' || seq + 2) from ended
)
select head.status, ended.session_id is not null as ended, head.seq + 2 as seq, (select count(*) from rung) as rung
from head left join ended on true`,
};

// The session's row before its files: whoever makes one of them, from what was written there, has it first, and the storage then.
const remove: Statement = {
  name: "session_delete",
  text: `
with head as (
  select * from session_head where session_id = $2 and workspace_id = $1 for update
), ended as materialized (
  select h.* from head h join session s on s.id = h.session_id where h.status in ('idle', 'terminated') for update of s
), heads as (
  delete from session_head h using ended e where h.session_id = e.session_id
), sessions as (
  delete from session s using ended e where s.id = e.session_id
), worked as (
  ${stopsWork}
), threads as (
  delete from thread t using ended e where t.session_id = e.session_id
), events as (
  delete from event v using ended e where v.session_id = e.session_id
), skills as (
  delete from session_skill p using ended e where p.session_id = e.session_id
), resources as (
  delete from session_resource r using ended e where r.session_id = e.session_id
), ${removeFilesOf("ended")}, cleaned as (
  insert into cleanup (session_id, epoch, forked, try_at)
  select e.session_id, e.lease_epoch + 1, s.forked_from is not null, drover_now()
  from ended e join session s on s.id = e.session_id
  on conflict (session_id) do update set epoch = greatest(cleanup.epoch, excluded.epoch), try_at = excluded.try_at
), rung as materialized (
  select pg_notify('drover', $3 || ' ' || session_id || ':gone') from ended
)
select head.status, ended.session_id is not null as ended, head.seq, (select count(*) from rung) as rung
from head left join ended on true`,
};

/** One that has ended is returned as it is. */
export async function archiveSession(
  db: Database,
  workspaceId: string,
  id: string,
  hooks: { from: number; moved(seq: number): void },
): Promise<Session> {
  const session = await getSession(db, workspaceId, id);
  const threadId = primaryThreadOf(id);
  const [done] = await db.query<Ended>(archive, [
    workspaceId,
    id,
    newId("event"),
    newId("event"),
    threadId,
    JSON.stringify({ session_thread_id: threadId, agent_name: session.agent.name }),
    String(hooks.from),
  ]);
  if (!done) throw sessionNotFound(id);
  if (!done.ended && done.status !== "terminated") throw stillRunning(id, done.status, "archived");
  if (done.ended) hooks.moved(done.seq);
  return getSession(db, workspaceId, id);
}

/** Removes the session, its log and its files. Its sandbox, and what was appended meanwhile, go with the next cleanup. */
export async function deleteSession(
  db: Database,
  workspaceId: string,
  id: string,
  hooks: { from: number; gone(): void },
): Promise<{ id: string; type: "session_deleted" }> {
  const [done] = await db.query<Ended>(remove, [workspaceId, id, String(hooks.from)]);
  if (!done) throw sessionNotFound(id);
  if (!done.ended) throw stillRunning(id, done.status, "deleted");
  hooks.gone();
  return { id, type: "session_deleted" };
}

const stillRunning = (id: string, status: string, what: string) =>
  invalid(
    `session ${id} is ${status} and cannot be ${what}: send user.interrupt or wait until session.status_idle`,
  );
