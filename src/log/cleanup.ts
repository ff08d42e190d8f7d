import type { Database, Statement } from "../db/database.ts";

/** A session whose sandbox is to be removed: it was archived or deleted. */
export interface Cleanup {
  session_id: string;
  /** Above every epoch that a brain of the session had. */
  epoch: number;
}

const due: Statement = {
  name: "cleanup_due",
  text: `update cleanup c set try_at = drover_now() + interval '30 seconds'
    from (select session_id from cleanup where try_at <= drover_now() order by try_at limit 16 for update skip locked) d
    where c.session_id = d.session_id returning c.session_id, c.epoch`,
};

// Appends that committed while a delete of the session waited for its head were not in its snapshot, and are left behind.
// Without a head nothing can be appended any more. An archived session keeps its head and its log.
const done: Statement = {
  name: "cleanup_done",
  text: `with rest as (
      delete from event v where v.session_id = $1
        and not exists (select from session_head h where h.session_id = v.session_id))
    delete from cleanup where session_id = $1`,
};

/** Removes what is due, one after the other. One that fails is tried again later, by whoever comes by. */
export async function takeCleanups(
  db: Database,
  remove: (cleanup: Cleanup) => Promise<"removed" | "failed">,
): Promise<void> {
  for (const cleanup of await db.query<Cleanup>(due, [])) {
    if ((await remove(cleanup)) === "removed") await db.query(done, [cleanup.session_id]);
  }
}
