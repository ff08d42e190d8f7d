import type { Database, Statement } from "../../db/database.ts";
import { limits } from "../../limits.ts";
import { notFound } from "../../protocol/errors.ts";
import { type PollWork, secretOf, type Work } from "../../protocol/work.ts";
import { newSecret, secretHash, workTokenPrefix } from "../environment-keys.ts";
import type { WorkBells } from "./bells.ts";
import { isDue, toWork, type WorkRow, workColumns } from "./row.ts";

// Each claim has a secret of its own: whoever had the item before is not let in any more.
const claim: Statement = {
  name: "work_claim",
  text: `
with picked as (
  select id from work_item w
  where environment_id = $1 and state = 'queued' and attempts < ${limits.work_attempts_max}
    and ${isDue("offered_at", limits.work_retry_longest_ms)}
    and (claimed_at is null or abs(extract(epoch from drover_now() - claimed_at)) * 1000 >= $2)
  order by offered_at limit 1 for no key update skip locked
)
update work_item w set claimed_at = drover_now(), seen_at = drover_now(), attempts = w.attempts + 1, worker_id = $3, key_id = $4,
  token_hash = $5
from picked where w.id = picked.id
returning ${workColumns}`,
};

const note: Statement = {
  name: "work_polled",
  text: `
with env as (select id from environment where id = $1),
polled as (
  insert into work_poller (environment_id, worker_id, polled_at) select id, $2, drover_now() from env where $2::text is not null
  on conflict (environment_id, worker_id) do update set polled_at = excluded.polled_at
)
select id from env`,
};

export interface Poller {
  environmentId: string;
  /** Of the environment key. */
  keyId: string;
  /** What the worker calls itself. */
  workerId: string | null;
}

/** Gives out the item that has waited longest; null when there is none, and none comes within the time to wait. */
export async function pollWork(
  db: Database,
  bells: WorkBells,
  { environmentId, keyId, workerId }: Poller,
  { block_ms = 0, reclaim_older_than_ms }: PollWork,
  signal: AbortSignal,
): Promise<Work | null> {
  const until = Date.now() + block_ms;
  const [known] = await db.query(note, [environmentId, workerId]);
  if (!known) throw notFound(`environment ${environmentId} not found`);
  const bell = bells.listen(environmentId);
  try {
    for (;;) {
      const token = newSecret(workTokenPrefix);
      const values = [environmentId, reclaim_older_than_ms, workerId, keyId, secretHash(token)];
      const [row] = await db.query<WorkRow>(claim, values);
      if (row) return toWork(row, secretOf(token));
      const left_ms = until - Date.now();
      if (left_ms <= 0 || signal.aborted) return null;
      await bell.wait(left_ms, signal);
    }
  } finally {
    bell.close();
  }
}
