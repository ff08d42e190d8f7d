import type { UsageSnapshot } from "../../protocol/events.ts";
import type { Metadata } from "../../protocol/metadata.ts";
import { primaryThreadAgent, type Session, type SessionStatus } from "../../protocol/sessions.ts";
import type { SessionAgent } from "../../protocol/snapshots.ts";
import type { Thread } from "../../protocol/threads.ts";

export interface SessionRow {
  id: string;
  agent: SessionAgent;
  environment_id: string;
  title: string | null;
  metadata: Metadata;
  created_at: string;
  updated_at: string;
  archived_at: string | null;
  status: SessionStatus;
  seq: number;
  usage: Omit<UsageSnapshot, "active_seconds">;
  active_seconds: number;
  duration_seconds: number;
}

/** Of `session s join session_head h`. A session was updated when its row was or when its log last grew. */
export const sessionColumns = `s.id, s.agent, s.environment_id, s.title, s.metadata, s.created_at,
  greatest(s.updated_at, h.last_at) as updated_at, s.archived_at, h.status, h.seq, h.usage,
  ((h.active_us + coalesce(extract(epoch from drover_now() - h.active_since) * 1000000, 0)) / 1000000)::float8
    as active_seconds,
  extract(epoch from coalesce(s.archived_at, drover_now()) - s.created_at)::float8 as duration_seconds`;

export function toSession(row: SessionRow): Session {
  return {
    id: row.id,
    type: "session",
    status: row.status,
    title: row.title,
    agent: row.agent,
    environment_id: row.environment_id,
    metadata: row.metadata,
    resources: [],
    vault_ids: [],
    budget: null,
    outcome_evaluations: [],
    stats: { active_seconds: row.active_seconds, duration_seconds: row.duration_seconds },
    usage: { ...row.usage, active_seconds: row.active_seconds },
    deployment_id: null,
    created_at: row.created_at,
    updated_at: row.updated_at,
    archived_at: row.archived_at,
  };
}

export interface ThreadRow extends SessionRow {
  thread_id: string;
  parent_id: string | null;
  thread_status: SessionStatus;
  thread_created_at: string;
  thread_updated_at: string;
  thread_archived_at: string | null;
  /** Null before its first turn. */
  startup_seconds: number | null;
}

/** The only thread of a session in this version is its primary one, whose figures are the session's. */
export function toThread(row: ThreadRow): Thread {
  const begun = row.startup_seconds !== null;
  return {
    id: row.thread_id,
    type: "session_thread",
    session_id: row.id,
    parent_thread_id: row.parent_id,
    agent: primaryThreadAgent(row.agent),
    status: row.thread_status,
    stats: begun
      ? {
          active_seconds: row.active_seconds,
          duration_seconds: row.duration_seconds,
          startup_seconds: row.startup_seconds ?? 0,
        }
      : null,
    usage: begun ? { ...row.usage, active_seconds: row.active_seconds } : null,
    workflow_run_id: null,
    created_at: row.thread_created_at,
    updated_at: row.thread_updated_at,
    archived_at: row.thread_archived_at,
  };
}
