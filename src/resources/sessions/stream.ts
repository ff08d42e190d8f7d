import type { Database, Statement } from "../../db/database.ts";
import { limits } from "../../limits.ts";
import { invalid } from "../../protocol/errors.ts";
import { sessionNotFound, threadNotFound } from "./read.ts";

interface Opened {
  seq: number;
  status: string;
  was_seen: boolean;
  first_turn_seq: number | null;
  fresh: boolean | null;
  incarnation: string;
  thread_id: string | null;
}

const statement: Statement = {
  name: "stream_open",
  text: `
select h.seq, h.status, h.seen as was_seen, h.first_turn_seq, l.incarnation, t.id as thread_id,
  h.first_turn_at > drover_now() - $4 * interval '1 millisecond' as fresh
from log l, session_head h left join thread t on t.session_id = h.session_id and t.id = $3
where h.session_id = $2 and h.workspace_id = $1`,
};

const markSeen: Statement = {
  name: "stream_seen",
  text: "update session_head set seen = true where session_id = $2 and workspace_id = $1 and not seen",
};

/** Where a stream starts: after this seq. */
export interface StreamStart {
  seq: number;
  /** The log's newest seq when the stream was opened. */
  head: number;
  /** The session had ended by then: the log does not grow any more. */
  ended: boolean;
  incarnation: string;
}

/**
 * Live from now on; with a cursor, from there. A stream that opens late on a session that nobody has looked at yet
 * still starts with its first turn: programs send first and open the stream after.
 */
export async function openStream(
  db: Database,
  workspaceId: string,
  sessionId: string,
  threadId: string | null,
  cursor: string | null,
): Promise<StreamStart> {
  const [row] = await db.query<Opened>(statement, [
    workspaceId,
    sessionId,
    threadId,
    limits.first_turn_grace_ms,
  ]);
  if (!row) throw sessionNotFound(sessionId);
  if (threadId !== null && row.thread_id === null) throw threadNotFound(threadId);
  const seq = startSeq(cursor, row);
  if (!row.was_seen) await db.query(markSeen, [workspaceId, sessionId]);
  return { incarnation: row.incarnation, head: row.seq, seq, ended: row.status === "terminated" };
}

/** A stream's cursor: which log, and after which of its entries. */
export const streamCursor = (incarnation: string, seq: number) => `${incarnation}-${seq}`;

function startSeq(cursor: string | null, row: Opened): number {
  if (cursor !== null) return cursorSeq(cursor, row);
  if (row.was_seen || !row.fresh || row.first_turn_seq === null) return row.seq;
  return row.first_turn_seq - 1;
}

function cursorSeq(cursor: string, { incarnation, seq: head }: Opened): number {
  if (cursor === "0") return 0;
  const match = /^([0-9a-f]{12})-(\d{1,15})$/.exec(cursor);
  if (!match) throw invalid("after: is not a cursor of an event stream; pass an id it has sent, or 0");
  if (match[1] !== incarnation) {
    throw invalid(
      "after: was made by another log (another database, or before a restore); list the events instead",
    );
  }
  const seq = Number(match[2]);
  if (seq > head) throw invalid("after: lies ahead of the log; list the events instead");
  return seq;
}
