import { z } from "zod";
import { limits } from "../limits.ts";
import { metadata, metadataPatch } from "./metadata.ts";
import { pageQuery, queryInteger } from "./page.ts";

/**
 * A *work item* asks a worker of a self-hosted environment to serve a session: to run the calls of its tools. It is `queued`
 * until a worker that has polled it acknowledges it, then `starting`, and `active` from the first heartbeat on.
 */

export const workState = z.enum(["queued", "starting", "active", "stopping", "stopped"]);
export type WorkState = z.infer<typeof workState>;

const at = z.string().nullable();

export const work = z.object({
  id: z.string(),
  type: z.literal("work"),
  environment_id: z.string(),
  data: z.object({ type: z.literal("session"), id: z.string() }),
  state: workState,
  metadata,
  /** Only in the answer to a poll. */
  secret: z.string().nullable(),
  /** Beyond the official API: who had it last, and when that was last heard of. */
  worker_id: z.string().nullable(),
  worker_seen_at: at,
  created_at: z.string(),
  acknowledged_at: at,
  started_at: at,
  latest_heartbeat_at: at,
  stop_requested_at: at,
  stopped_at: at,
});
export type Work = z.infer<typeof work>;

export const listWorkQuery = pageQuery();
export type ListWork = z.infer<typeof listWorkQuery>;

export const pollWorkQuery = z.strictObject({
  block_ms: queryInteger(z.int().min(1).max(limits.work_block_ms_max)).optional(),
  reclaim_older_than_ms: queryInteger(z.int().min(0).max(limits.work_reclaim_ms_max)).default(
    limits.work_reclaim_ms,
  ),
});
export type PollWork = z.infer<typeof pollWorkQuery>;

/** What a worker calls itself, in the header `Anthropic-Worker-ID`. */
export const workerId = z.string().min(1).max(200);

/** Instead of the time of the last heartbeat, before the first one. */
export const noHeartbeat = "NO_HEARTBEAT";

export const heartbeatQuery = z.strictObject({
  expected_last_heartbeat: z.string().max(100).optional(),
  desired_ttl_seconds: queryInteger(z.int().min(1).max(86_400)).optional(),
});
export type Heartbeat = z.infer<typeof heartbeatQuery>;

export const workHeartbeat = z.object({
  type: z.literal("work_heartbeat"),
  last_heartbeat: z.string(),
  lease_extended: z.boolean(),
  state: workState,
  ttl_seconds: z.int(),
});
export type WorkHeartbeat = z.infer<typeof workHeartbeat>;

/** Clients may leave the body out. */
export const stopWorkBody = z.strictObject({ force: z.boolean().nullish() }).default({});
export type StopWork = z.infer<typeof stopWorkBody>;

export const updateWorkBody = z.strictObject({ metadata: metadataPatch });

export const workQueueStats = z.object({
  type: z.literal("work_queue_stats"),
  depth: z.int(),
  pending: z.int(),
  oldest_queued_at: at,
  workers_polling: z.int().nullable(),
});
export type WorkQueueStats = z.infer<typeof workQueueStats>;

/** What the secret of a work item is, as base64url of this in JSON. */
export const secretOf = (sessions_token: string): string =>
  Buffer.from(JSON.stringify({ sessions_token })).toString("base64url");
