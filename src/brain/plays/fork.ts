import assert from "node:assert/strict";
import type { Database } from "../../db/database.ts";
import { cleanUnlessMade } from "../../log/cleanup.ts";
import type { Entry } from "../../log/entry.ts";
import { newId } from "../../protocol/ids.ts";
import { forkSession } from "../../resources/sessions/fork.ts";
import { fold } from "../fold.ts";
import { settle } from "../settle.ts";
import { testSpending } from "../testing.ts";
import { assertRows, snapshotOf } from "./rows.ts";

/** Forks a session at one of its events and checks what the fork begins with. */
export async function forkAt(
  db: Database,
  sessionId: string,
  at: number,
): Promise<{ id: string; event: string }> {
  const { entries } = await snapshotOf(db, sessionId);
  const shown = entries.filter(({ audience }) => audience !== "internal");
  const event = shown[Math.floor(at * shown.length)];
  const { id } = await forkSession(
    db,
    "w",
    sessionId,
    { event_id: event?.id },
    {
      settle: (fork, prefix) => settle(fork, prefix, { newId: () => newId("event"), spending: testSpending }),
      async copyCheckpoint({ to_session_id }) {
        await cleanUnlessMade(db, to_session_id);
        return true;
      },
      priced: () => true,
      capped: false,
    },
  );
  const rows = await snapshotOf(db, id);
  assertRows(rows);
  assert.deepEqual([rows.status, rows.driven, rows.due], ["idle", false, "never"], "the fork does not rest");
  assertCheckpoint(rows.entries);
  return { id, event: event ? `${event.seq} ${event.type}` : "its beginning" };
}

/**
 * Brains begin to read at the last entry: it says what all of the log says. An earlier checkpoint, which a session has
 * written that it was forked from, may also say what waited there and was left to that session.
 */
function assertCheckpoint(entries: Entry[]): void {
  const left = new Set(entries.filter(({ type }) => type === "left_out").map(({ seq }) => seq));
  const said = fold(entries.slice(0, -1));
  const threads = [...said.threads].map(
    ([id, thread]) => [id, { ...thread, queued: thread.queued.filter(({ seq }) => !left.has(seq)) }] as const,
  );
  const whole = { ...said, threads: new Map(threads) };
  const { checkpoint_seq, ...from } = fold(entries.slice(-1));
  assert.equal(checkpoint_seq, entries.length, "the log does not end with a checkpoint");
  assert.deepEqual({ ...from, checkpoint_seq: 0 }, { ...whole, seq: from.seq, checkpoint_seq: 0 });
}
