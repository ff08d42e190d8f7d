import type { Database, Statement } from "../../db/database.ts";
import { limits } from "../../limits.ts";
import { conflict } from "../../protocol/errors.ts";
import type { Work } from "../../protocol/work.ts";
import { endingText, headOfEnding, itemOfEnding } from "./ending.ts";
import type { Place } from "./read.ts";
import { toWork, type WorkRow, workColumns, workNotFound } from "./row.ts";

// The head is locked before the item, as everywhere.
const stop: Statement = {
  name: "work_stop",
  text: `
with head as materialized (
  select h.* from work_item w join session_head h on h.session_id = w.session_id
  where w.id = $2 and w.environment_id = $1 and w.workspace_id = $5 for no key update of h
), item as materialized (
  select w.*, w.state in ('starting', 'active') as is_held from work_item w
  where w.id = $2 and w.environment_id = $1 and w.workspace_id = $5 and (select count(*) from head) >= 0 for no key update
), ending as materialized (
  select ${itemOfEnding}, true as stops, w.stop_is_final or $4 as is_final,
    case when $4 then 'had the work when it was stopped' else 'has stopped its work' end as why,
    ${headOfEnding}
  from item w, head h where w.state <> 'stopped' and ($3 or w.state = 'queued')
), asked as (
  update work_item w set state = 'stopping', stop_requested_at = drover_now(), stop_is_final = $4,
    lease_until = greatest(w.lease_until, drover_now() + ${limits.work_stopping_ms} * interval '1 millisecond')
  from item where w.id = item.id and item.is_held and not $3
  returning w.*
), ${endingText}, after as (
  select ${workColumns} from ended w union all select ${workColumns} from asked w
  union all select ${workColumns} from item w where w.state = 'stopping' and not $3
)
select item.state = 'stopped' as was_stopped, w.*, (select count(*) from rung) + (select count(*) from bells) as rung
from item left join after w on true`,
};

export interface Stop {
  force: boolean;
  /** Asked for by who runs the environment, not by a worker: no new item takes its place before there is more to do. */
  by_operator: boolean;
}

/** Asks a worker to finish, or takes the item from it at once. */
export async function stopWork(
  db: Database,
  { workspaceId, environmentId, id }: Place,
  { force, by_operator }: Stop,
): Promise<Work> {
  const [row] = await db.query<{ was_stopped: boolean; rung: number } & WorkRow>(stop, [
    environmentId,
    id,
    force,
    by_operator,
    workspaceId,
  ]);
  if (!row) throw workNotFound(id);
  const { was_stopped, rung: _, ...work } = row;
  if (was_stopped) throw conflict(`work ${id} has stopped already`);
  return toWork(work);
}
