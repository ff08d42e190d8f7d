import assert from "node:assert/strict";
import type { Database } from "../../db/database.ts";
import type { Entry } from "../../log/entry.ts";
import { fold } from "../fold.ts";
import { clientTurn } from "../state.ts";

/** A session as it stood at one moment: its log, and the rows that mirror it. */
export interface Snapshot {
  entries: Entry[];
  seq: number;
  status: string;
  thread_status: string;
  usage: Usage | Record<string, never>;
  asks: string[];
  /** When it last changed, and the time it had spent running by then, in `ms`. */
  last_ms: number;
  active_ms: number;
  driven: boolean;
  /** When a brain is to look at it. */
  due: "now" | "later" | "never";
}

export interface Usage {
  input_tokens: number;
  output_tokens: number;
  cache_read_input_tokens: number;
  cache_creation: { ephemeral_5m_input_tokens: number; ephemeral_1h_input_tokens: number };
}

/** In one statement, so that no commit comes in between. */
export async function snapshotOf(db: Database, sessionId: string): Promise<Snapshot> {
  const [row] = await db.query<Snapshot>(
    {
      name: "test_snapshot",
      text: `select h.seq, h.status, h.usage, h.asks, h.lease_owner is not null as driven,
          case when h.runnable_at is null then 'never' when h.runnable_at <= drover_now() then 'now' else 'later' end as due,
          t.status as thread_status, (extract(epoch from h.last_at) * 1000)::float8 as last_ms,
          (h.active_us / 1000.0 + coalesce(extract(epoch from h.last_at - h.active_since) * 1000, 0))::float8 as active_ms,
          coalesce((select json_agg(e order by e.seq) from event e where e.session_id = h.session_id), '[]') as entries
        from session_head h join thread t on t.session_id = h.session_id
        where h.session_id = $1`,
    },
    [sessionId],
  );
  return row ?? assert.fail("the session is gone");
}

/** The wait of a session that waits for a time is over. */
export async function becomeDue(db: Database, sessionId: string): Promise<void> {
  await db.query(
    {
      name: "test_become_due",
      text: "update session_head set runnable_at = drover_now() where session_id = $1 and lease_owner is null",
    },
    [sessionId],
  );
}

/** What clients may answer, as the log says it. */
export const asksOf = (entries: Entry[]): string[] => clientTurn(fold(entries)).toSorted();

/** The rows say what the log says. */
export function assertRows(rows: Snapshot): void {
  const state = fold(rows.entries);
  assert.deepEqual(
    rows.entries.map(({ seq }) => seq),
    Array.from({ length: rows.seq }, (_, i) => i + 1),
    "the log has a gap, or its head is elsewhere",
  );
  assert.equal(rows.status, state.status, "the session's status is not that of its log");
  const [thread] = state.threads.values();
  assert.equal(rows.thread_status, thread?.status ?? "idle", "the thread's status is not that of its log");
  assert.deepEqual(
    rows.asks.toSorted(),
    asksOf(rows.entries),
    "what may be answered is not what the log says",
  );
  const switches = rows.entries.filter(({ type }) => type.startsWith("session.status_")).length;
  const running_ms = state.running_since === null ? 0 : rows.last_ms - state.running_since;
  // What the log tells in milliseconds the row counts in microseconds.
  assert.ok(
    Math.abs(rows.active_ms - state.active_ms - running_ms) <= switches + 1,
    `the row says ${rows.active_ms} ms active, the log ${state.active_ms + running_ms} ms`,
  );
  if (rows.entries.some(({ type }) => type === "span.model_request_end")) {
    assert.deepEqual(tokensOf(rows.usage as Usage), spent(rows.entries), "usage does not add up");
  }
}

/** What the ends of all model requests add up to. */
export function spent(entries: Entry[]): Tokens {
  const sum = { input: 0, output: 0, cache_read: 0, cache_creation: 0 };
  for (const { type, body } of entries) {
    if (type !== "span.model_request_end") continue;
    const { model_usage } = body as { model_usage: Record<string, number> };
    sum.input += model_usage.input_tokens ?? 0;
    sum.output += model_usage.output_tokens ?? 0;
    sum.cache_read += model_usage.cache_read_input_tokens ?? 0;
    sum.cache_creation += model_usage.cache_creation_input_tokens ?? 0;
  }
  return sum;
}

export interface Tokens {
  input: number;
  output: number;
  cache_read: number;
  cache_creation: number;
}

export const tokensOf = ({ cache_creation, ...usage }: Usage): Tokens => ({
  input: usage.input_tokens,
  output: usage.output_tokens,
  cache_read: usage.cache_read_input_tokens,
  cache_creation: cache_creation.ephemeral_5m_input_tokens + cache_creation.ephemeral_1h_input_tokens,
});
