import type { Database, Statement } from "../db/database.ts";
import { failpoint } from "../failpoints.ts";
import type { Placement } from "../hands/placement.ts";
import { limits } from "../limits.ts";
import { removeFilesOf } from "./session-files.ts";

/** A session whose sandbox is to be removed: it was archived or deleted, or has had it for long enough. */
export interface Cleanup {
  session_id: string;
  /** Above every epoch that a brain of the session had by then. */
  epoch: number;
  /** Null: it has never had a sandbox, but a checkpoint to begin with. */
  placement: Placement | null;
}

const due: Statement = {
  name: "cleanup_due",
  text: `update cleanup c set try_at = drover_now() + interval '30 seconds'
    from (select session_id from cleanup where try_at <= drover_now() order by try_at limit 16 for update skip locked) d
      left join placement p using (session_id)
    where c.session_id = d.session_id
    returning c.session_id, c.epoch, c.forked, p.host_id, p.generation, p.moved_seq`,
};

// Appends that committed while a delete of the session waited for its head were not in its snapshot, and are left behind, and
// so may files of it be. Without a head nothing can be appended any more. An archived session keeps its head and its log.
// What a host could not be told is told when it is back, under an epoch that it takes. A session that lives on keeps its place,
// and is asked about again until its host is back.
const done: Statement = {
  name: "cleanup_done",
  text: `with deleted as materialized (
      select $1::text as session_id where not exists (select from session_head h where h.session_id = $1)
    ), rest as (
      delete from event v using deleted d where v.session_id = d.session_id
    ), ${removeFilesOf("deleted")}, ended as (
      select $1::text as session_id
      where not exists (select from session_head h where h.session_id = $1 and h.status <> 'terminated')
    ), placed as (
      delete from placement p using ended e where p.session_id = e.session_id
      returning p.session_id, p.host_id, p.generation
    ), raised as (
      update abandoned_sandbox set epoch = greatest(epoch, $2) where session_id = $1
    ), left_behind as (
      insert into abandoned_sandbox (session_id, generation, host_id, epoch, abandoned_at)
      select session_id, generation, host_id, $2, drover_now() from placed where not $3
    )
    delete from cleanup where session_id = $1 and epoch = $2 and ($3 or exists (select from ended))`,
};

// A session that lives on, and uses its sandbox again.
const superseded: Statement = {
  name: "cleanup_superseded",
  text: `delete from cleanup where session_id = $1 and epoch = $2
    and exists (select from session_head h where h.session_id = $1 and h.lease_epoch > $2)`,
};

const ahead: Statement = {
  name: "cleanup_ahead",
  text: `insert into cleanup (session_id, epoch, forked, try_at)
    values ($1, 0, true, drover_now() + $2 * interval '1 millisecond')`,
};

/** What is kept for a session that does not come to be is removed: whoever makes it takes this back with it. */
export async function cleanUnlessMade(db: Database, sessionId: string): Promise<void> {
  await db.query(ahead, [sessionId, limits.fork_ms_max]);
}

type Due = Pick<Cleanup, "session_id" | "epoch"> & { forked: boolean } & (Placement | { host_id: null });

/** Removes what is due, one after the other. One that fails is tried again later, by whoever comes by. */
export async function takeCleanups(
  db: Database,
  remove: (cleanup: Cleanup) => Promise<"removed" | "unreachable" | "stale" | "failed">,
): Promise<void> {
  for (const { session_id, epoch, forked, ...placed } of await db.query<Due>(due, [])) {
    const placement = placed.host_id === null ? null : placed;
    const removed = placement || forked ? await remove({ session_id, epoch, placement }) : "removed";
    if (removed === "removed") failpoint("sandbox_removed");
    if (removed === "stale") await db.query(superseded, [session_id, epoch]);
    else if (removed !== "failed") await db.query(done, [session_id, epoch, removed === "removed"]);
  }
}
