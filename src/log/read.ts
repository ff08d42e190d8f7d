import type { Database, Statement } from "../db/database.ts";
import { limits } from "../limits.ts";
import type { Entry } from "./entry.ts";

const columns = "e.seq, e.session_id, e.id, e.thread_id, e.audience, e.type, e.of_seq, e.body, e.created_at";

const after: Statement = {
  name: "read_after",
  text: `select ${columns} from event e where e.session_id = $1 and e.seq > $2 order by e.seq limit $3`,
};

/** A session's entries after a seq, oldest first, at most a page of them. */
export function readAfter(db: Database, sessionId: string, seq: number): Promise<Entry[]> {
  return db.query<Entry>(after, [sessionId, seq, limits.read_page_max]);
}

/** All of them, or those up to another seq. */
export async function readAll(
  db: Database,
  sessionId: string,
  seq: number,
  last = Number.POSITIVE_INFINITY,
): Promise<Entry[]> {
  const all: Entry[] = [];
  for (;;) {
    const page = await readAfter(db, sessionId, all.at(-1)?.seq ?? seq);
    all.push(...page);
    const isWhole = page.length < limits.read_page_max || (page.at(-1)?.seq ?? 0) >= last;
    if (isWhole) return all.filter((entry) => entry.seq <= last);
  }
}

const bySeqs: Statement = {
  name: "read_by_seqs",
  text: `select ${columns} from json_array_elements_text($2::json) as w (seq)
    cross join lateral (select * from event where session_id = $1 and seq = w.seq::bigint) e`,
};

/** Single entries, those that promotions point at. */
export function readBySeqs(db: Database, sessionId: string, seqs: number[]): Promise<Entry[]> {
  return seqs.length === 0 ? Promise.resolve([]) : db.query<Entry>(bySeqs, [sessionId, JSON.stringify(seqs)]);
}

const headsOf: Statement = {
  name: "read_heads",
  text: `select h.session_id, h.seq from json_array_elements_text($1::json) as w (id)
    cross join lateral (select session_id, seq from session_head where session_id = w.id) h`,
};

/** The newest seq of each session; a deleted one is missing. */
export async function readHeads(db: Database, sessionIds: string[]): Promise<Map<string, number>> {
  const rows = await db.query<{ session_id: string; seq: number }>(headsOf, [JSON.stringify(sessionIds)]);
  return new Map(rows.map((row) => [row.session_id, row.seq]));
}
