import type { Database, Statement } from "../db/database.ts";
import { limits } from "../limits.ts";

// The epoch goes up, so that a brain that comes before the removal is not taken by surprise: whatever it asks of the hands
// comes before it, and then there is no removal, or after it. Its next call in a sandbox begins the time anew.
const statement: Statement = {
  name: "expire_workspaces",
  text: `
with expired as materialized (
  select session_id from session_head
  where sandbox_at <= drover_now() - $1 * interval '1 day'
    and status = 'idle' and runnable_at is null and lease_owner is null
  order by session_id limit $2
  for no key update skip locked
), moved as (
  update session_head h set sandbox_at = null, lease_epoch = h.lease_epoch + 1
  from expired e where h.session_id = e.session_id
  returning h.session_id, h.lease_epoch
)
insert into cleanup (session_id, epoch, forked, try_at)
select m.session_id, m.lease_epoch, s.forked_from is not null, drover_now()
from moved m join session s on s.id = m.session_id
on conflict (session_id) do update set epoch = excluded.epoch, try_at = excluded.try_at
returning session_id`,
};

/**
 * Has the workspaces removed of sessions that had their sandbox for so long and rest; the sessions stay. Gives their ids.
 */
export async function expireWorkspaces(db: Database, days: number): Promise<string[]> {
  const rows = await db.query<{ session_id: string }>(statement, [days, limits.expiry_batch_max]);
  return rows.map(({ session_id }) => session_id);
}
