import { limits } from "../../limits.ts";
import { outcomeUnknownText } from "../../tools/replay.ts";

/**
 * A worker has had its time with an item: it stops, is stopped, or is not heard of any more. All of this happens at once:
 *
 * 1. A call is given to one worker only. Whatever a worker that read the session's events may have begun gets a result that
 *    says that its outcome is unknown, before anybody else can see the item: no command runs twice.
 * 2. What no worker can have begun stays open, and is offered again: as the same item where the lease has run out, as a new
 *    one where it was stopped.
 * 3. An item that worker after worker takes without coming to the session is given up: the session says so. Whatever is sent
 *    to the session next makes a new one.
 *
 * The text goes on behind a CTE `ending` of the items and their sessions' heads, both locked, the heads first: `work_id`,
 * `environment_id`, `workspace_id`, `session_id`, `stops`, `is_final`, `attached_at`, `attempts`, `worker_id`, `seen_at`, `why`;
 * `seq`, `last_at`, `status`, `asks`, `active_since`, `runnable_at` and `agent_name`.
 */
export const endingText = `
settled as materialized (
  select e.session_id, a.n, substr(a.ask, length('tool_result ') + 1) as call_id
  from ending e cross join lateral unnest(e.asks) with ordinality as a (ask, n)
  where e.attached_at is not null and a.ask like 'tool_result %'
), judged as materialized (
  select e.*, drover_now() as now, greatest(drover_now(), e.last_at + interval '1 microsecond') as at,
    exists (select from settled s where s.session_id = e.session_id) as settles,
    array(select a from unnest(e.asks) a where e.attached_at is null or a not like 'tool_result %') as still_asked,
    case when e.attached_at is null then e.attempts else 0 end as tries,
    coalesce('the worker ' || e.worker_id, 'a worker without a name') || ' ' || e.why
      || coalesce('; it was last heard of at ' || to_char(e.seen_at, 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), '') as reason,
    replace(e.session_id, 'sesn_', 'sthr_') as primary_thread_id
  from ending e
), decided as materialized (
  select j.*, j.settles and j.status = 'idle' and j.still_asked = '{}' as starts,
    j.tries >= ${limits.work_attempts_max} as gives_up,
    exists (select from unnest(j.still_asked) a where a like 'tool_result %') as needs_worker,
    least(${limits.work_retry_longest_ms}, ${limits.work_retry_first_ms} * (2 ^ least(j.tries, 20) - 1))
      * interval '1 millisecond' as pause
  from judged j
), entry as materialized (
  select d.session_id, d.workspace_id, d.at, d.seq + row_number() over (partition by d.session_id order by e.i) as seq,
    e.thread_id, e.type, e.body
  from decided d cross join lateral (
    select s.n as i, 'user.tool_result' as type,
      coalesce((select v.thread_id from event v where v.session_id = d.session_id and v.id = s.call_id
        order by v.seq desc limit 1), d.primary_thread_id) as thread_id,
      json_build_object('tool_use_id', s.call_id,
        'content', json_build_array(json_build_object('type', 'text', 'text', replace('${outcomeUnknownText("REASON")}', 'REASON', d.reason))),
        'is_error', true,
        'recovery', json_build_object('type', 'outcome_unknown', 'reason', d.reason, 'replays', 0),
        'worker', json_build_object('work_id', d.work_id, 'worker_id', d.worker_id)) as body
    from settled s where s.session_id = d.session_id
    union all
    select 1000000, 'session.status_running', d.primary_thread_id, '{}' where d.starts
    union all
    select 1000001, 'session.thread_status_running', d.primary_thread_id,
      json_build_object('session_thread_id', d.primary_thread_id, 'agent_name', d.agent_name) where d.starts
    union all
    select 1000002, 'session.error', d.primary_thread_id, json_build_object('error', json_build_object(
      'type', 'unknown_error', 'message', 'The work of this session was given to ' || d.tries
        || ' workers that never came to it, the last time: ' || d.reason
        || '. Look at your workers, then send an event, such as user.interrupt: it makes new work.',
      'retry_status', json_build_object('type', 'exhausted')))
    where d.gives_up and d.needs_worker
  ) e
), written as (
  insert into event (workspace_id, session_id, seq, id, thread_id, audience, type, body, created_at)
  select workspace_id, session_id, seq, drover_id('sevt_'), thread_id, 'session', type, body, at from entry
), ended as (
  update work_item w set
    state = case when d.stops or d.gives_up then 'stopped' else 'queued' end,
    stopped_at = case when d.stops or d.gives_up then d.now end,
    attempts = d.tries,
    offered_at = d.now + d.pause,
    claimed_at = null, acknowledged_at = case when d.stops then w.acknowledged_at end,
    started_at = case when d.stops then w.started_at end,
    latest_heartbeat_at = case when d.stops then w.latest_heartbeat_at end,
    lease_until = null, attached_at = null,
    token_hash = case when d.stops then w.token_hash end
  from decided d where w.id = d.work_id
  returning w.*
), successor as (
  insert into work_item (workspace_id, id, environment_id, session_id, state, created_at, offered_at, attempts)
  select d.workspace_id, drover_id('work_'), d.environment_id, d.session_id, 'queued', d.now, d.now + d.pause, d.tries
  from ended w join decided d on d.work_id = w.id
  where w.state = 'stopped' and d.needs_worker and not d.gives_up and not d.is_final
  returning id, session_id
), moved as (
  update session_head h set
    seq = h.seq + added.n, last_at = case when added.n > 0 then d.at else h.last_at end,
    asks = d.still_asked,
    status = case when d.starts then 'running' else h.status end,
    status_at = case when d.starts then d.at else h.status_at end,
    active_since = case when d.starts then d.at else h.active_since end,
    runnable_at = case when d.settles then least(h.runnable_at, d.now) else h.runnable_at end,
    work_id = coalesce(s.id, h.work_id),
    work_live = w.state <> 'stopped' or s.id is not null
  from decided d join ended w on w.id = d.work_id left join successor s on s.session_id = d.session_id
    cross join lateral (select count(*) as n from entry e where e.session_id = d.session_id) added
  where h.session_id = d.session_id
  returning h.session_id, h.seq, d.settles and h.lease_owner is null as waits
), threads as (
  update thread t set status = 'running', updated_at = d.at from decided d
  where d.starts and t.session_id = d.session_id and t.id = d.primary_thread_id
), rung as materialized (
  select pg_notify('drover', case when length(list) < 7900 then list else '*' end)
  from (select '0 ' || string_agg(session_id || ':' || seq || case when waits then '!' else '' end, ' ') as list from moved) said
  where list is not null
), bells as materialized (
  select pg_notify('drover_work', environment_id) from (
    select distinct d.environment_id from decided d join ended w on w.id = d.work_id
    where w.state = 'queued' or exists (select from successor s where s.session_id = d.session_id)) offered
)`;

/** What `ending` has of a session's head `h`. */
export const headOfEnding =
  "h.seq, h.last_at, h.status, h.asks, h.active_since, h.runnable_at, (select s.agent ->> 'name' from session s where s.id = h.session_id) as agent_name";

/** What it has of the item `w`. */
export const itemOfEnding =
  "w.id as work_id, w.environment_id, w.workspace_id, w.session_id, w.attached_at, w.attempts, w.worker_id, w.seen_at";
