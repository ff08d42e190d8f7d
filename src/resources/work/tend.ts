import type { Database, Statement } from "../../db/database.ts";
import { limits } from "../../limits.ts";
import { endingText, headOfEnding, itemOfEnding } from "./ending.ts";
import { leaseIsOver } from "./row.ts";

/** The worker is gone, or the item was taken too often by such as never came back to acknowledge it. */
const isOver = `(${leaseIsOver} or w.state = 'queued' and w.attempts >= ${limits.work_attempts_max}
  and abs(extract(epoch from drover_now() - w.claimed_at)) * 1000 >= ${limits.work_lease_ms})`;

// Heads are locked in id order, as by every append, and each item is looked at again under the lock of its head.
const tend: Statement = {
  name: "work_tend",
  text: `
with due as materialized (
  select w.session_id, w.id from work_item w where ${isOver} order by w.session_id limit ${limits.work_tend_batch_max}
), head as materialized (
  select h.*, due.id as due_id from due cross join lateral (
    select * from session_head h where h.session_id = due.session_id for no key update) h
), ending as materialized (
  select ${itemOfEnding}, w.state = 'stopping' as stops, w.stop_is_final as is_final,
    'was not heard of for too long' as why, ${headOfEnding}
  from head h cross join lateral (
    select * from work_item w where w.id = h.due_id and ${isOver} for no key update) w
), ${endingText}
select w.id, w.environment_id, w.session_id, w.state, w.worker_id, (select count(*) from rung) + (select count(*) from bells) as rung
from ended w`,
};

/** An item that its worker has lost, and what became of it. */
export interface Lost {
  id: string;
  environment_id: string;
  session_id: string;
  state: "queued" | "stopped";
  worker_id: string | null;
}

/** Takes items from workers that are not heard of any more, and offers them again. */
export const tendWork = (db: Database): Promise<Lost[]> => db.query<Lost>(tend, []);

// A worker that came before the first word has no reason to leave by itself: it would serve nobody else for ever.
const unused: Statement = {
  name: "work_unused",
  text: `
update work_item w set state = 'stopping', stop_requested_at = drover_now()
from session_head h
where w.state = 'active' and h.session_id = w.session_id and h.first_turn_seq is null and h.status = 'idle'
  and w.lease_until is not null and abs(extract(epoch from drover_now() - w.started_at)) * 1000 > ${limits.work_unused_ms}`,
};

export async function endUnusedWork(db: Database): Promise<void> {
  await db.query(unused, []);
}

const sweep: Statement = {
  name: "work_sweep",
  text: `
with old as (
  select w.id from work_item w
  where w.state = 'stopped' and w.stopped_at < drover_now() - ${limits.work_kept_ms} * interval '1 millisecond'
    and not exists (select from session_head h where h.session_id = w.session_id and h.work_id = w.id)
  order by w.stopped_at limit ${limits.work_sweep_batch_max} for update skip locked
), gone as (
  delete from work_item w using old where w.id = old.id
)
delete from work_poller where polled_at < drover_now() - ${limits.work_pollers_kept_ms} * interval '1 millisecond'`,
};

/** Forgets items that have stopped long ago, and workers that poll no more. */
export async function sweepWork(db: Database): Promise<void> {
  await db.query(sweep, []);
}
