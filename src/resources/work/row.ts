import { limits } from "../../limits.ts";
import { notFound } from "../../protocol/errors.ts";
import type { Work } from "../../protocol/work.ts";

export interface WorkRow extends Omit<Work, "type" | "data" | "secret" | "worker_seen_at"> {
  session_id: string;
  seen_at: string | null;
}

export const workColumns = `w.id, w.environment_id, w.session_id, w.state, w.metadata, w.worker_id, w.seen_at, w.created_at,
  w.acknowledged_at, w.started_at, w.latest_heartbeat_at, w.stop_requested_at, w.stopped_at`;

export const toWork = ({ id, session_id, seen_at, ...row }: WorkRow, secret: string | null = null): Work => ({
  ...row,
  id,
  type: "work",
  data: { type: "session", id: session_id },
  secret,
  worker_seen_at: seen_at,
});

export const workNotFound = (id: string) => notFound(`work ${id} not found`);

/** A time that is due, or so far off that it was written before the clock went back. */
export const isDue = (time: string, ms_max: number) =>
  `(${time} <= drover_now() or ${time} > drover_now() + ${ms_max} * interval '1 millisecond')`;

/** Its worker has not been heard of for too long. */
export const leaseIsOver = `w.state in ('starting', 'active', 'stopping')
  and ${isDue("w.lease_until", Math.max(limits.work_lease_ms_max, limits.work_stopping_ms))}`;
