import { readerVersion } from "../../log/entry.ts";
import type { UsageSnapshot } from "../../protocol/events.ts";
import type { Metadata } from "../../protocol/metadata.ts";
import { amountOf, budgetOf } from "../../protocol/money.ts";
import {
  type ForkedFrom,
  primaryThreadAgent,
  type Session,
  type SessionStatus,
  type SessionWork,
  type WaitingFor,
} from "../../protocol/sessions.ts";
import type { SessionAgent } from "../../protocol/snapshots.ts";
import type { Thread } from "../../protocol/threads.ts";
import { type ResourceRow, resourcesJson, toResource } from "./resource-row.ts";

export interface SessionRow {
  id: string;
  agent: SessionAgent;
  forked_from: ForkedFrom | null;
  environment_id: string;
  vault_ids: string[];
  title: string | null;
  metadata: Metadata;
  created_at: string;
  updated_at: string;
  archived_at: string | null;
  status: SessionStatus;
  seq: number;
  usage: Omit<UsageSnapshot, "active_seconds" | "list_cost">;
  active_seconds: number;
  duration_seconds: number;
  budget_cents: number | null;
  spent_nano: number | null;
  at_cap: boolean;
  asks: string[];
  status_at: string;
  /** When a brain should look at it. */
  runnable_at: string | null;
  /** A brain has it. */
  driven: boolean;
  /** The reader version that its log needs. */
  needs_reader: number;
  resources: ResourceRow[];
  work_id: string | null;
  /** Null in the answer of the statement that makes the item. */
  work: SessionWork | null;
}

/** Of `session s join session_head h`. A session was updated when its row was or when its log last grew. */
export const sessionColumns = `s.id, s.agent, s.forked_from, s.environment_id, s.vault_ids, s.title, s.metadata, s.created_at,
  greatest(s.updated_at, h.last_at) as updated_at, s.archived_at, h.status, h.seq, h.usage,
  ((h.active_us + coalesce(extract(epoch from drover_now() - h.active_since) * 1000000, 0)) / 1000000)::float8
    as active_seconds,
  extract(epoch from coalesce(s.archived_at, drover_now()) - s.created_at)::float8 as duration_seconds,
  h.budget_cents, h.spent_nano, h.at_cap, h.asks, h.status_at, h.runnable_at, h.lease_owner is not null as driven,
  h.needs_reader,
  (select ${resourcesJson} from session_resource r where r.session_id = s.id) as resources, h.work_id, (select json_build_object('id', w.id, 'state', w.state, 'worker_id', w.worker_id,
    'worker_seen_at', to_char(w.seen_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) from work_item w where w.id = h.work_id) as work`;

export function toSession(row: SessionRow): Session {
  return {
    id: row.id,
    type: "session",
    status: row.status,
    title: row.title,
    agent: row.agent,
    environment_id: row.environment_id,
    metadata: row.metadata,
    resources: row.resources.map(toResource),
    vault_ids: row.vault_ids,
    budget: row.budget_cents === null ? null : budgetOf(row.budget_cents),
    outcome_evaluations: [],
    stats: { active_seconds: row.active_seconds, duration_seconds: row.duration_seconds },
    usage: usageOf(row),
    deployment_id: null,
    waiting_for: waitingFor(row),
    work: row.work ?? newWork(row),
    forked_from: row.forked_from,
    created_at: row.created_at,
    updated_at: row.updated_at,
    archived_at: row.archived_at,
  };
}

const newWork = ({ work_id }: SessionRow): SessionWork | null =>
  work_id === null ? null : { id: work_id, state: "queued", worker_id: null, worker_seen_at: null };

const usageOf = ({ usage, active_seconds, spent_nano }: SessionRow): UsageSnapshot => ({
  ...usage,
  active_seconds,
  ...(spent_nano !== null && { list_cost: amountOf(spent_nano) }),
});

/** What keeps the session from working, if it does not. */
function waitingFor(row: SessionRow): WaitingFor | null {
  const waits = { since: row.status_at, until: null, event_ids: [] };
  const isNewer = row.needs_reader > readerVersion;
  const type = isNewer ? "upgrade" : "worker";
  const waitsForWorker = { ...waits, type, since: row.runnable_at ?? row.status_at } as const;
  const event_ids = row.asks.map((ask) => ask.slice(ask.indexOf(" ") + 1));
  switch (row.status) {
    case "terminated":
      return null;
    case "rescheduling":
      return isNewer && !row.driven ? waitsForWorker : { ...waits, type: "retry", until: row.runnable_at };
    case "running":
      return row.driven ? null : waitsForWorker;
    case "idle":
      if (event_ids.length > 0) return { ...waits, type: "requires_action", event_ids };
      if (row.at_cap) return { ...waits, type: "budget" };
      return row.runnable_at !== null && !row.driven ? waitsForWorker : { ...waits, type: "message" };
  }
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
    usage: begun ? usageOf(row) : null,
    workflow_run_id: null,
    created_at: row.thread_created_at,
    updated_at: row.thread_updated_at,
    archived_at: row.thread_archived_at,
  };
}
