import { z } from "zod";
import { usageSnapshot } from "./events.ts";
import { pageQuery, queryList } from "./page.ts";
import { threadAgent } from "./snapshots.ts";

/** A *thread* is one line of work within a session, with a context of its own. Every session has a primary one. */

export const threadStatus = z.enum(["running", "idle", "rescheduling", "terminated"]);

export const thread = z.object({
  id: z.string(),
  type: z.literal("session_thread"),
  session_id: z.string(),
  /** Null for the primary thread. */
  parent_thread_id: z.string().nullable(),
  agent: threadAgent,
  status: threadStatus,
  stats: z
    .object({ active_seconds: z.number(), duration_seconds: z.number(), startup_seconds: z.number() })
    .nullable(),
  usage: usageSnapshot.nullable(),
  workflow_run_id: z.string().nullable(),
  created_at: z.string(),
  updated_at: z.string(),
  archived_at: z.string().nullable(),
});
export type Thread = z.infer<typeof thread>;

export const listThreadsQuery = pageQuery({ default: 1000, max: 1000 }).extend({
  statuses: queryList(threadStatus).optional(),
});
export type ListThreads = z.infer<typeof listThreadsQuery>;
