import type { Database, Statement } from "../../db/database.ts";
import type { AnyDraft, Entry } from "../../log/entry.ts";
import { readAll } from "../../log/read.ts";
import { primaryThreadOf } from "../../log/thread-id.ts";
import { ApiError, invalid } from "../../protocol/errors.ts";
import { newId } from "../../protocol/ids.ts";
import type { Metadata } from "../../protocol/metadata.ts";
import type { ForkSession, Session } from "../../protocol/sessions.ts";
import type { SessionAgent } from "../../protocol/snapshots.ts";
import { heldSources, insertCopies } from "../files/copies.ts";
import { notBudgetable, notCapped } from "./budget.ts";
import { sessionNotFound } from "./read.ts";
import { type ResourceRow, resourcesJson } from "./resource-row.ts";
import { type SessionRow, sessionColumns, toSession } from "./row.ts";

/** A part of a session's log, from its beginning or from a checkpoint on. */
export interface Prefix {
  session_id: string;
  /** The seq before the first of the entries. */
  fold_from: number;
  entries: Entry[];
  /** When it ends: all that is written behind it has this time. */
  ended_at: string;
  /** The event that has arrived in it and is taken up now; the others that wait are left to the session. */
  take_up_seq: number | null;
}

/** A session of that log in which nothing goes on. */
export interface Settled {
  /** What it takes to end what went on. */
  entries: AnyDraft[];
  /** Brains read its log from behind this seq on. */
  fold_from: number;
  usage: object;
  /** In billionths of a dollar; null when its model has no list price. */
  spent_nano: number | null;
  budget_cents: number | null;
  at_cap: boolean;
  asks: string[];
  active_ms: number;
}

export interface ForkParts {
  settle(
    fork: { workspace_id: string; session_id: string; agent: SessionAgent; budget_cents: number | null },
    prefix: Prefix,
  ): Settled;
  /**
   * Copies the newest checkpoint of a workspace in which no other calls have ended. It is removed again unless the session
   * that it is for comes to be within some minutes. False when no host could copy it.
   */
  copyCheckpoint(request: {
    host_id: string | null;
    session_id: string;
    to_session_id: string;
    calls: string[];
  }): Promise<boolean>;
  /** Whether all models that the agent makes use of have a list price. */
  priced(agent: SessionAgent): boolean;
  /** The server has caps on what may be spent. */
  capped: boolean;
}

interface Point {
  title: string | null;
  metadata: Metadata;
  agent: SessionAgent;
  budget_cents: number | null;
  /** The last entry that the fork has of the log; null when there is no such event. */
  cut: number | null;
  event_id: string | null;
  take_up_seq: number | null;
  fold_from: number;
  ended_at: string;
  /** Whether it has a workspace, on which host, and which calls had ended in it by then. */
  has_workspace: boolean;
  host_id: string | null;
  calls: string[];
  /** The set-ups before them, which also changed it. */
  set_ups: string[];
}

// An event stands where lists have it. What was written together with it stays with it, up to where something new begins;
// what archiving has written is left out. The agent is as it was then, the rest of the session as it is.
const point: Statement = {
  name: "session_fork_point",
  text: `
with head as (
  select *, seq - case status when 'terminated' then 2 else 0 end as last from session_head
  where session_id = $2 and workspace_id = $1
), named as (
  select e.id, e.seq, e.audience, case e.audience when 'queued' then p.seq else e.seq end as place
  from event e left join event p on p.session_id = $2 and p.of_seq = e.seq
  where e.session_id = $2 and e.id = $3 and e.audience <> 'internal'
), cut as (
  select head.last as seq, null as id, null::bigint as take_up_seq from head where $3::text is null
  union all
  select coalesce((
      select e.seq - 1 from event e
      where e.session_id = $2 and e.seq > named.place and (
        e.created_at > (select created_at from event where session_id = $2 and seq = named.place)
        or e.type in ('promoted', 'session.status_running', 'span.model_request_start', 'span.environment_setup_start',
          'tool_started', 'checkpoint'))
      order by e.seq limit 1), head.last),
    named.id, case when named.place is null then named.seq end
  from head, named
)
select s.title, s.metadata, head.budget_cents, cut.seq as cut, cut.take_up_seq,
  coalesce(cut.id, (select id from event where session_id = $2 and seq <= cut.seq and audience = 'session'
    order by seq desc limit 1)) as event_id,
  coalesce((select body -> 'agent' from event where session_id = $2 and seq <= cut.seq and type = 'session.updated'
    and body -> 'agent' is not null order by seq desc limit 1), s.first_agent, s.agent) as agent,
  coalesce((select max(seq) - 1 from event where session_id = $2 and seq <= cut.seq and type = 'checkpoint'), 0)
    as fold_from,
  coalesce((select created_at + interval '1 microsecond' from event where session_id = $2 and seq = cut.seq), drover_now())
    as ended_at,
  coalesce((select json_agg(coalesce(body -> 'tool_use_id', body -> 'mcp_tool_use_id')) from event
    where session_id = $2 and seq <= cut.seq and type in ('agent.tool_result', 'agent.mcp_tool_result')), '[]') as calls,
  coalesce((select json_agg(id) from event
    where session_id = $2 and seq <= cut.seq and type = 'span.environment_setup_start'), '[]') as set_ups,
  head.sandbox_at is not null as has_workspace, placement_of($2) ->> 'host_id' as host_id
from session s join head on head.session_id = s.id left join cut on true`,
};

// What was copied for it is not removed any more. Where that may have begun, it does not come to be: one that is being
// removed is tried again after 30 s at the latest.
// What is mounted in it now is mounted in the fork too, under a number that is higher than all that its log tells.
// What it had written to its outputs by then are files of the fork too: those that had come before the first call behind the cut.
// The beginning of the log does not change any more, so it can be copied after it was read. Its events keep their ids, and
// what is written behind it has the time of its end: nothing has happened in between. The thread's id is changed where the
// server wrote it, and nowhere in what was said or called: in a checkpoint, where it says it first.
const statement: Statement = {
  name: "session_fork",
  text: `
with source as (
  select * from session where id = $2 and workspace_id = $1 for key share
), env as (
  select e.id from environment e join source on e.id = source.environment_id where e.archived_at is null for share of e
), taken as (
  delete from cleanup c using source, env
  where c.session_id = $3 and c.try_at > drover_now() + interval '30 seconds' returning c.session_id
), called as materialized (
  select coalesce((select created_at from event where session_id = $2 and seq > $8 and type = 'tool_started'
    order by seq limit 1), 'infinity') as at
), asked as materialized (
  select r.file_id as source_id, drover_id('file_') as file_id, r.mount_path, r.position, null as path
  from source join session_resource r on r.session_id = source.id and r.type = 'file'
  union all
  select f.id, drover_id('file_'), null, null, f.path
  from source join file f on f.scope_session_id = source.id, called
  where f.path is not null and f.created_at < called.at and coalesce(f.superseded_at >= called.at, true)
), ${heldSources}, made as (
  insert into session (workspace_id, id, agent_id, agent_version, agent, first_agent, forked_from, environment_id,
    environment_config, vault_ids, title, metadata, mounts_version, created_at, updated_at)
  select $1, $3, source.agent_id, source.agent_version, $4::json, source.first_agent, $5::json, env.id,
    source.environment_config, source.vault_ids, $6, $7::json, case when source.mounts_version > 0 then source.mounts_version + 1 else 0 end,
    drover_now(), drover_now()
  from source, env
  where not $20 or exists (select from taken)
  returning *, id as session_id, created_at as at
), copied_files as (
  ${insertCopies("made", "asked.path")}
), outputs as (
  insert into output (session_id, path, version, bytes, content_sha256, written_at_ms)
  select made.id, a.path, '', s.bytes, s.sha256, 0 from made, asked a join sources s using (file_id) where a.path is not null
), contents_held as (
  insert into session_content (workspace_id, session_id, sha256)
  select $1, made.id, c.sha256 from made, session_content c where c.session_id = $2 order by c.sha256
), resources as (
  insert into session_resource as r (workspace_id, session_id, id, type, file_id, url, checkout, token, mount_path, position,
    created_at, updated_at)
  select $1, made.id, drover_id('sesrsc_'), 'file', a.file_id, null, null, null, a.mount_path, a.position, made.at, made.at
  from made, asked a join sources using (file_id) where a.mount_path is not null
  union all
  select $1, made.id, drover_id('sesrsc_'), g.type, null, g.url, g.checkout, g.token, g.mount_path, g.position, made.at, made.at
  from made, session_resource g where g.session_id = $2 and g.type = 'github_repository'
  returning *
), copied as (
  insert into event (workspace_id, session_id, seq, id, thread_id, audience, type, of_seq, body, created_at)
  select $1, made.id, e.seq, e.id, case e.thread_id when $9 then $10 else e.thread_id end,
    case when is_left then 'internal' else e.audience end, case when is_left then 'left_out' else e.type end, e.of_seq,
    case when is_left then '{"reader":1}'
      when e.type like 'session.thread_status_%'
        then replace(e.body::text, '"session_thread_id":"' || $9 || '"', '"session_thread_id":"' || $10 || '"')::json
      when e.type = 'checkpoint'
        then regexp_replace(e.body::text, '("threads":\\[{"id":")' || $9 || '"', '\\1' || $10 || '"')::json
      else e.body end,
    e.created_at
  from made, event e cross join lateral (
    select e.audience = 'queued' and e.seq is distinct from $11::bigint and not exists (
      select from event p where p.session_id = $2 and p.of_seq = e.seq and p.seq <= $8) as is_left) l
  where e.session_id = $2 and e.seq <= $8
), written as (
  insert into event (workspace_id, session_id, seq, id, thread_id, audience, type, of_seq, body, created_at)
  select $1, made.id, $8 + e.i, e.id, e.thread_id, e.audience, e.type, e.of_seq, e.body::json, $21
  from made, json_to_recordset($12::json) as e (
    i int, id text, thread_id text, audience text, type text, of_seq bigint, body text)
), skills as (
  insert into session_skill (workspace_id, session_id, skill_id, version_id)
  select $1, made.id, p.skill_id, p.version_id from made, session_skill p where p.session_id = $2
), head as (
  insert into session_head (workspace_id, session_id, seq, last_at, status, status_at, usage, asks, budget_cents,
    fold_from, spent_nano, at_cap, active_us, sandbox_at, seen, first_turn_seq, first_turn_at, work_environment_id)
  select $1, made.id, $8 + json_array_length($12::json), $21, 'idle', made.created_at, $13::json, $14, $15,
    $16, $17, $18, $19::bigint * 1000, case when $20 then made.created_at end, true, f.seq, f.created_at,
    case made.environment_config ->> 'type' when 'self_hosted' then made.environment_id end
  from made left join lateral (
    select seq, created_at from event where session_id = $2 and seq <= $8 and type = 'session.status_running'
    order by seq limit 1) f on true
  returning *
), thread as (
  insert into thread (workspace_id, session_id, id, status, created_at, updated_at)
  select $1, made.id, $10, 'idle', made.created_at, made.created_at from made
)
select ${sessionColumns}, (select ${resourcesJson} from resources r) as made_resources
from made s join head h on h.session_id = s.id`,
};

/** A new session that goes on from a point of another one: with its log up to there, and its workspace as it was then. */
export async function forkSession(
  db: Database,
  workspaceId: string,
  sourceId: string,
  params: ForkSession,
  { settle, copyCheckpoint, priced, capped }: ForkParts,
): Promise<Session> {
  const [found] = await db.query<Point>(point, [workspaceId, sourceId, params.event_id ?? null]);
  if (!found) throw sessionNotFound(sourceId);
  const { cut, fold_from, take_up_seq, agent } = found;
  if (cut === null) throw invalid(`event_id: session ${sourceId} has no event ${params.event_id}`);
  if (found.budget_cents !== null && !priced(agent)) throw notBudgetable(agent.model);
  if (capped && !priced(agent)) throw notCapped(agent.model);

  const id = newId("session");
  const settled = settle(
    { workspace_id: workspaceId, session_id: id, agent, budget_cents: found.budget_cents },
    {
      session_id: sourceId,
      fold_from,
      entries: await readAll(db, sourceId, fold_from, cut),
      ended_at: found.ended_at,
      take_up_seq,
    },
  );
  const { host_id, calls, set_ups } = found;
  const takesWorkspace = found.has_workspace && calls.length > 0;
  if (takesWorkspace) {
    const request = { host_id, session_id: sourceId, to_session_id: id, calls: [...calls, ...set_ups] };
    if (!(await copyCheckpoint(request))) throw notCopied(sourceId);
  }
  const [row] = await db.query<SessionRow & { made_resources: ResourceRow[] }>(statement, [
    workspaceId,
    sourceId,
    id,
    JSON.stringify(agent),
    JSON.stringify({ session_id: sourceId, event_id: found.event_id }),
    params.title === undefined ? found.title : params.title,
    JSON.stringify(params.metadata ?? found.metadata),
    cut,
    primaryThreadOf(sourceId),
    primaryThreadOf(id),
    take_up_seq,
    JSON.stringify(
      settled.entries.map((entry, i) => ({ ...entry, i: i + 1, body: JSON.stringify(entry.body) })),
    ),
    JSON.stringify(settled.usage),
    settled.asks,
    settled.budget_cents,
    settled.fold_from,
    settled.spent_nano,
    settled.at_cap,
    settled.active_ms,
    takesWorkspace,
    found.ended_at,
  ]);
  if (!row) throw invalid(`session ${sourceId} or its environment is archived or gone`);
  return toSession({ ...row, resources: row.made_resources });
}

const notCopied = (id: string) =>
  new ApiError(
    "overloaded_error",
    `the workspace of ${id} could not be copied: no sandbox host can be reached, or its storage cannot be used; try again`,
    {
      status: 503,
      headers: { "retry-after": "1" },
    },
  );
