import type { Database, Statement } from "../../db/database.ts";
import { limits } from "../../limits.ts";
import { ApiError, conflict } from "../../protocol/errors.ts";
import {
  type Heartbeat,
  noHeartbeat,
  type Work,
  type WorkHeartbeat,
  type WorkState,
} from "../../protocol/work.ts";
import { toWork, type WorkRow, workColumns, workNotFound } from "./row.ts";

// An answer that was lost is asked for again, so the same is answered until the first heartbeat. Of two workers that both do
// so, the one with the newest secret goes on.
const acknowledge: Statement = {
  name: "work_ack",
  text: `
with item as (
  select id, state from work_item where id = $2 and environment_id = $1 for no key update
), taken as (
  update work_item w set state = 'starting', acknowledged_at = coalesce(w.acknowledged_at, drover_now()),
    lease_until = drover_now() + $3 * interval '1 millisecond', seen_at = drover_now()
  from item where w.id = item.id and item.state in ('queued', 'starting') and w.claimed_at is not null
  returning ${workColumns}
)
select item.state as was, taken.* from item left join taken on true`,
};

type Acknowledged = { was: WorkState } & (WorkRow | { id: null });

/** Takes an item that was polled out of the queue. */
export async function acknowledgeWork(
  db: Database,
  environmentId: string,
  id: string,
  leaseMs: number,
): Promise<Work> {
  const [row] = await db.query<Acknowledged>(acknowledge, [environmentId, id, leaseMs]);
  if (!row) throw workNotFound(id);
  const { was, ...taken } = row;
  if (taken.id !== null) return toWork(taken);
  throw conflict(
    was === "queued"
      ? `work ${id} waits for a poll: only what a poll has answered with can be acknowledged`
      : `work ${id} is ${was} and cannot be acknowledged`,
  );
}

// The value to expect is the time as it was answered. It always advances, so that no two heartbeats have the same.
const beat: Statement = {
  name: "work_heartbeat",
  text: `
with item as materialized (
  select *, greatest(drover_now(), latest_heartbeat_at + interval '1 microsecond') as beat_at,
    case when state in ('stopping', 'stopped') then true
      when state = 'queued' then false
      when $3::text is null then true
      else $3 = coalesce(to_char(latest_heartbeat_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '${noHeartbeat}') end as holds
  from work_item where id = $2 and environment_id = $1 for no key update
), beaten as (
  update work_item w set latest_heartbeat_at = item.beat_at, seen_at = item.beat_at,
    state = case item.state when 'starting' then 'active' else item.state end,
    started_at = coalesce(w.started_at, item.beat_at),
    lease_until = item.beat_at + case item.state when 'stopping' then greatest($4, ${limits.work_stopping_ms}) else $4 end * interval '1 millisecond'
  from item where w.id = item.id and item.holds and item.state <> 'stopped'
  returning w.latest_heartbeat_at, w.state
)
select coalesce(beaten.state, item.state) as state, coalesce(beaten.latest_heartbeat_at, item.latest_heartbeat_at) as last_heartbeat,
  item.holds, beaten.state is not null as extended,
  (extract(epoch from item.lease_until - item.latest_heartbeat_at) * 1000)::int as held_ms
from item left join beaten on true`,
};

interface Beaten {
  state: WorkState;
  last_heartbeat: string | null;
  holds: boolean;
  extended: boolean;
  /** Of the lease as it was; null before the first heartbeat. */
  held_ms: number | null;
}

/** Extends the lease of whoever knows the last heartbeat. */
export async function heartbeat(
  db: Database,
  environmentId: string,
  id: string,
  {
    expected_last_heartbeat = null,
    desired_ttl_seconds,
  }: { [Name in keyof Heartbeat]?: Heartbeat[Name] | null },
  leaseMs: number,
): Promise<WorkHeartbeat> {
  const asked_ms = desired_ttl_seconds ? desired_ttl_seconds * 1_000 : leaseMs;
  const ttl_ms = Math.min(Math.max(asked_ms, limits.work_lease_ms_min), limits.work_lease_ms_max);
  const [row] = await db.query<Beaten>(beat, [environmentId, id, expected_last_heartbeat, ttl_ms]);
  if (!row) throw workNotFound(id);
  const { state, last_heartbeat, holds, extended: lease_extended, held_ms } = row;
  if (holds) {
    return {
      type: "work_heartbeat",
      last_heartbeat: last_heartbeat ?? "",
      lease_extended,
      state,
      ttl_seconds: Math.round(ttl_ms / 1_000),
    };
  }
  const ttl_seconds = Math.round((held_ms ?? leaseMs) / 1_000);
  throw new ApiError(
    "invalid_request_error",
    `expected_last_heartbeat: is not the last heartbeat of ${id}: the work belongs to the queue or to another worker`,
    {
      status: 412,
      code: "heartbeat_precondition_failed",
      details: { current_state: { last_heartbeat, lease_extended: false, state, ttl_seconds } },
    },
  );
}
