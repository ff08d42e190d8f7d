import type { Database, Statement } from "../db/database.ts";
import { failpoint } from "../failpoints.ts";
import { type AnyDraft, type Entry, readerOf } from "./entry.ts";
import { usedIn } from "./used.ts";

export type SessionStatus = "idle" | "running" | "rescheduling" | "terminated";

/** What one caller wants appended to one session: all of it or nothing. */
export interface AppendRequest {
  workspace_id: string;
  session_id: string;
  entries: AppendEntry[];
  /** A brain proves with its lease that it may write; a client's append has none and needs a live session. */
  lease?: { owner: number; epoch: number };
  /** Only if nothing was appended after this seq. */
  if_seq?: number;
  status?: SessionStatus;
  threads?: { id: string; status: SessionStatus; only_if?: "starts" }[];
  /** Cumulative usage of the session, absolute. */
  usage?: object;
  /** A brain's: what the session has cost so far, in billionths of a dollar; null when its model has no price. */
  spent_nano?: number | null;
  /** A brain's: whether the session's budget is used up. */
  at_cap?: boolean;
  /** A client's: an idle session takes it neither while its budget is used up, nor while it asks, as named. */
  not_while?: ("at_cap" | "asking")[];
  /**
   * A brain's: what clients may answer from now on, absolute, as `<kind> <event id>`; what waits for a client's leave is
   * `if_allowed <kind> <event id>`.
   */
  asks?: string[];
  /** A client's: the asks that it answers. Each must be open, and is closed by it. */
  answers?: string[];
  /** A client's: asks that are closed where they are open, and asks that wait for its leave and are open from now on. */
  closes?: string[];
  allows?: string[];
  /** A brain's: a call is about to run in the sandbox. The first of them says from when on there is one. */
  uses_sandbox?: boolean;
  /** A brain's: the seq before its checkpoint, which is the first of the entries. */
  fold_from?: number;
  /**
   * `wake`: there is something for a brain to do; an idle session of which nothing more is asked becomes running if
   * an entry is `only_if: "starts"`. `park`: gives the lease back, to be looked at again after `after_ms`, or not until woken.
   */
  run?: { type: "wake" } | { type: "park"; after_ms: number | null };
}

/**
 * Some entries are left out where they would not be true. `starts`: they announce that an idle session runs. `acts`:
 * there is something to act on, for the session does not rest because its budget is used up.
 */
export type AppendEntry = AnyDraft & { only_if?: "starts" | "acts" };

export type AppendResult =
  | {
      verdict: "accepted";
      entries: Entry[];
      head_seq: number;
      /** There is something to do now, and no brain has the session. */
      waiting: boolean;
    }
  /** Somebody else holds the session, or nobody: stop acting on it. */
  | { verdict: "stale_epoch" }
  /** One of `answers` is not asked. */
  | { verdict: "not_asked"; asks: string[] }
  /** `if_seq` did not hold. */
  | { verdict: "behind"; head_seq: number }
  /** As `not_while` said. */
  | { verdict: "at_cap" | "asking" }
  | { verdict: "terminated" }
  | { verdict: "not_found" };

interface Row {
  n: number;
  verdict: AppendResult["verdict"];
  head_seq: number;
  base_seq: number;
  at: string | null;
  waiting: boolean | null;
  kept: number[] | null;
  asks: string[] | null;
}

// Locks the heads in id order first: two processes with overlapping batches would deadlock otherwise. The time is read
// after the lock and always advances, so that entries of one time are those of one append; when a session is due follows
// the clock, which may go back. LATERAL, subqueries and MATERIALIZED keep the plan to index lookups, and to computing each
// part once, whatever the tables held when it was made. A session of a self-hosted environment that has no work item gets one
// where it begins to run, or asks for the result of a call that a worker has to run.
const statement: Statement = {
  name: "append",
  text: `
with request as materialized (
  select * from json_to_recordset($1::json) as r (
    n int, workspace_id text, session_id text, owner int, epoch bigint, if_seq bigint,
    status text, usage json, spent_nano bigint, at_cap boolean, not_while text[], fold_from bigint, reader int, asks text[],
    answers text[], closes text[], allows text[], run text, after_ms int, uses_sandbox boolean, used_nano bigint)
  order by session_id
), locked as materialized (
  select r.*, h.seq as base_seq, h.status as was, h.lease_owner, h.lease_epoch, h.last_at,
    h.spent_nano as had_spent, h.active_since, h.at_cap and h.status = 'idle' as was_at_cap, h.asks as were_asked, h.work_environment_id, h.work_live,
    array(select case when ask = any(r.allows) then substr(ask, length('if_allowed ') + 1) else ask end from unnest(h.asks) as ask
      where ask <> all(coalesce(r.answers || r.closes, '{}'))) as still_asked
  from request r
  cross join lateral (
    select * from session_head h
    where h.session_id = r.session_id and h.workspace_id = r.workspace_id
    for no key update
  ) h
), judged as materialized (
  select l.*,
    case
      when l.epoch is not null and (l.lease_epoch, l.lease_owner) is distinct from (l.epoch, l.owner) then 'stale_epoch'
      when l.epoch is null and l.was = 'terminated' then 'terminated'
      when not l.answers <@ l.were_asked then 'not_asked'
      when l.was_at_cap and 'at_cap' = any(l.not_while) then 'at_cap'
      when l.was = 'idle' and l.were_asked <> '{}' and 'asking' = any(l.not_while) then 'asking'
      when l.if_seq <> l.base_seq then 'behind'
      else 'accepted'
    end as verdict,
    l.was = 'idle' and l.still_asked = '{}' as can_start,
    drover_now() as now, greatest(drover_now(), l.last_at + interval '1 microsecond') as at
  from locked l
), chosen as materialized (
  select e.*, j.workspace_id, j.session_id, j.at,
    j.base_seq + row_number() over (partition by e.n order by e.i) as seq
  from json_to_recordset($2::json) as e (
    n int, i int, id text, thread_id text, audience text, type text, of_seq bigint, only_if text, body text)
  join judged j on j.n = e.n
  where j.verdict = 'accepted' and case e.only_if when 'starts' then j.can_start
    when 'acts' then not (j.was_at_cap and j.were_asked = '{}') else true end
), counted as materialized (
  select n, count(*) as added, array_agg(i order by i) as kept, bool_or(only_if = 'starts') as starts
  from chosen group by n
), decided as materialized (
  select j.*, coalesce(c.added, 0) as added, c.kept,
    case when c.starts then 'running' else coalesce(j.status, j.was) end as becomes,
    case j.run when 'wake' then j.lease_owner is null when 'park' then j.after_ms = 0 else false end as waiting,
    case when j.work_environment_id is not null and not j.work_live and (c.starts
      or (j.run = 'wake' or j.epoch is not null)
        and exists (select from unnest(coalesce(j.asks, j.still_asked)) a where a like 'tool_result %'))
      then drover_id('work_') end as new_work_id
  from judged j left join counted c on c.n = j.n
  where j.verdict = 'accepted'
), worked as (
  insert into work_item (workspace_id, id, environment_id, session_id, state, created_at, offered_at)
  select workspace_id, new_work_id, work_environment_id, session_id, 'queued', now, now from decided where new_work_id is not null
  returning environment_id
), bells as materialized (
  select pg_notify('drover_work', environment_id) from (select distinct environment_id from worked) w
), moved as (
  update session_head h set
    seq = h.seq + d.added,
    last_at = d.at,
    status = d.becomes,
    status_at = case when d.becomes = h.status then h.status_at else d.at end,
    spent_nano = coalesce(d.spent_nano, h.spent_nano),
    at_cap = coalesce(d.at_cap, h.at_cap),
    usage = coalesce(d.usage, h.usage),
    fold_from = coalesce(d.fold_from, h.fold_from),
    asks = coalesce(d.asks, d.still_asked),
    asks_seq = case when d.asks <> h.asks then h.seq + d.added else h.asks_seq end,
    work_id = coalesce(d.new_work_id, h.work_id),
    work_live = h.work_live or d.new_work_id is not null,
    active_us = h.active_us + case when h.status = 'running' and d.becomes <> 'running'
      then (extract(epoch from d.at - h.active_since) * 1000000)::bigint else 0 end,
    active_since = case when d.becomes <> 'running' then null when h.status = 'running' then h.active_since else d.at end,
    sandbox_at = coalesce(h.sandbox_at, case when d.uses_sandbox then d.now end),
    runnable_at = case d.run when 'wake' then least(h.runnable_at, d.now)
      when 'park' then d.now + d.after_ms * interval '1 millisecond' else h.runnable_at end,
    needs_reader = greatest(h.needs_reader, d.reader),
    lease_owner = case when d.run = 'park' then null else h.lease_owner end,
    first_turn_seq = case when d.becomes = 'running' then coalesce(h.first_turn_seq, h.seq + 1) else h.first_turn_seq end,
    first_turn_at = case when d.becomes = 'running' then coalesce(h.first_turn_at, d.at) else h.first_turn_at end
  from decided d
  where h.session_id = d.session_id
), inserted as (
  insert into event (workspace_id, session_id, seq, id, thread_id, audience, type, of_seq, body, created_at)
  select workspace_id, session_id, seq, id, thread_id, audience, type, of_seq, body::json, at from chosen
), spent as (
  insert into spend (session_id, day, workspace_id, agent_id, nano)
  select d.session_id, (d.at at time zone 'UTC')::date, d.workspace_id,
    (select agent_id from session where id = d.session_id), d.spent_nano - coalesce(d.had_spent, 0)
  from decided d
  where d.spent_nano > coalesce(d.had_spent, 0)
  on conflict (session_id, day) do update set nano = spend.nano + excluded.nano
), told as materialized (
  select * from json_to_recordset($5::json) as r (n int, model text, input bigint, output bigint, cache_read bigint,
    cache_5m bigint, cache_1h bigint, searches bigint, requests bigint, unpriced bigint, nano bigint)
), rested as materialized (
  select n, greatest(spent_nano - coalesce(had_spent, 0) - used_nano, 0) as nano, case when was = 'running'
    and becomes <> 'running' then (extract(epoch from at - active_since) * 1000000)::bigint else 0 end as active_us
  from decided
), used as (
  insert into usage_hour as u (session_id, hour, model, workspace_id, agent_id, input_tokens, output_tokens, cache_read_tokens,
    cache_5m_tokens, cache_1h_tokens, web_searches, requests, unpriced, nano, active_us)
  select d.session_id, date_trunc('hour', d.at), coalesce(a.model, s.model), d.workspace_id, s.agent_id, sum(a.input), sum(a.output),
    sum(a.cache_read), sum(a.cache_5m), sum(a.cache_1h), sum(a.searches), sum(a.requests), sum(a.unpriced), sum(a.nano), sum(a.active_us)
  from (
    select *, 0 as active_us from told
    union all
    select n, '', 0, 0, 0, 0, 0, 0, 0, 0, nano, active_us from rested where nano > 0 or active_us > 0) a
  join decided d on d.n = a.n
  cross join lateral (select agent_id, case when a.model is null then agent -> 'model' ->> 'id' end as model
    from session where id = d.session_id) s
  group by d.session_id, d.workspace_id, d.at, s.agent_id, coalesce(a.model, s.model)
  on conflict (session_id, hour, model) do update set
    input_tokens = u.input_tokens + excluded.input_tokens, output_tokens = u.output_tokens + excluded.output_tokens,
    cache_read_tokens = u.cache_read_tokens + excluded.cache_read_tokens,
    cache_5m_tokens = u.cache_5m_tokens + excluded.cache_5m_tokens, cache_1h_tokens = u.cache_1h_tokens + excluded.cache_1h_tokens,
    web_searches = u.web_searches + excluded.web_searches, requests = u.requests + excluded.requests,
    unpriced = u.unpriced + excluded.unpriced, nano = u.nano + excluded.nano, active_us = u.active_us + excluded.active_us
), changed as materialized (
  select d.session_id, t.id, t.status, d.at
  from json_to_recordset($3::json) as t (n int, id text, status text, only_if text)
  join decided d on d.n = t.n
  where t.only_if is null or d.can_start
), threads as (
  update thread t set status = c.status, updated_at = c.at
  from changed c
  where t.session_id = c.session_id and t.id = c.id
), rung as materialized (
  select pg_notify('drover', case when length(list) < 7900 then list else '*' end)
  from (select $4 || ' ' || string_agg(session_id || ':' || base_seq + added || case when waiting then '!' else '' end, ' ') as list
        from decided where added > 0 or run is not null) as said
  where list is not null
)
select r.n, coalesce(j.verdict, 'not_found') as verdict, d.kept, d.waiting, j.at, j.were_asked as asks,
  j.base_seq, j.base_seq + coalesce(d.added, 0) as head_seq, (select count(*) from rung) + (select count(*) from bells) as rung
from request r left join judged j on j.n = r.n left join decided d on d.n = r.n`,
};

/**
 * Appends for many sessions in one statement, at most one request for each. `from` names this process in the
 * notification, so that it need not answer its own.
 */
export async function append(db: Database, requests: AppendRequest[], from: number): Promise<AppendResult[]> {
  const used = requests.map(({ entries }) => usedIn(entries));
  const heads = requests.map((request, n) => ({
    n,
    workspace_id: request.workspace_id,
    session_id: request.session_id,
    owner: request.lease?.owner,
    epoch: request.lease?.epoch,
    if_seq: request.if_seq,
    status: request.status,
    usage: request.usage,
    spent_nano: request.spent_nano,
    at_cap: request.at_cap,
    not_while: request.not_while,
    uses_sandbox: request.uses_sandbox,
    fold_from: request.fold_from,
    reader: readerOf(request.entries),
    asks: request.asks,
    answers: request.answers,
    closes: request.closes,
    allows: request.allows,
    run: request.run?.type,
    after_ms: request.run?.type === "park" ? request.run.after_ms : null,
    used_nano: (used[n] ?? []).reduce((sum, { nano }) => sum + nano, 0),
  }));
  const entries = requests.flatMap((request, n) =>
    request.entries.map((entry, i) => ({ n, i, ...entry, body: JSON.stringify(entry.body) })),
  );
  const threads = requests.flatMap((request, n) =>
    (request.threads ?? []).map((thread) => ({ n, ...thread })),
  );
  failpoint("append_asked");
  const rows = await db.query<Row>(statement, [
    JSON.stringify(heads),
    JSON.stringify(entries),
    JSON.stringify(threads),
    String(from),
    JSON.stringify(used.flatMap((each, n) => each.map((one) => ({ n, ...one })))),
  ]);
  failpoint("append_done");
  const results = new Map(rows.map((row) => [row.n, row]));
  return requests.map((request, n) => toResult(request, results.get(n)));
}

function toResult(request: AppendRequest, row: Row | undefined): AppendResult {
  switch (row?.verdict) {
    case "accepted": {
      const entries = (row.kept ?? []).map((i, position) => {
        const { only_if: _, ...entry } = request.entries[i] as AppendEntry;
        return {
          ...entry,
          seq: row.base_seq + position + 1,
          session_id: request.session_id,
          created_at: row.at as string,
        };
      });
      const { head_seq, waiting } = row;
      return { verdict: "accepted", entries, head_seq, waiting: waiting === true };
    }
    case "behind":
      return { verdict: "behind", head_seq: row.base_seq };
    case "not_asked":
      return { verdict: "not_asked", asks: row.asks ?? [] };
    case "stale_epoch":
    case "at_cap":
    case "asking":
    case "terminated":
      return { verdict: row.verdict };
    default:
      return { verdict: "not_found" };
  }
}
