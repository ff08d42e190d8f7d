import type { Database, Statement } from "../../db/database.ts";

/** The work of all self-hosted environments. */
export interface WorkQueue {
  /** So many items wait for a worker, and so many have one. */
  waiting: number;
  held: number;
  /** For how long the oldest of the waiting ones could have been given to one. */
  oldest_s: number;
}

const look: Statement = {
  name: "work_queue",
  text: `
select count(*) filter (where state = 'queued') as waiting, count(*) filter (where state <> 'queued') as held,
  coalesce(extract(epoch from drover_now() - min(offered_at)
    filter (where state = 'queued' and claimed_at is null and offered_at <= drover_now())), 0)::float8 as oldest_s
from work_item where state <> 'stopped'`,
};

export async function workQueue(db: Database): Promise<WorkQueue> {
  const [row] = await db.query<WorkQueue>(look, []);
  return row ?? { waiting: 0, held: 0, oldest_s: 0 };
}
