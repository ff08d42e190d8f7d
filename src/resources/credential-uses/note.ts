import type { Database, Statement } from "../../db/database.ts";
import { limits } from "../../limits.ts";
import type { UseKind } from "../../protocol/credential-uses.ts";
import { idPrefix, newId } from "../../protocol/ids.ts";

/** A use of a credential, or several that are alike. */
export interface NewUse {
  /** Of the credential, or of a repository among the session's resources. */
  id: string;
  kind: UseKind;
  host: string;
  /** As in `vault-wire.ts`. It holds nothing of the secret. */
  outcome: string;
  /** One, unless it says so. */
  count?: number;
  /** When the last one was, in ISO 8601; now, unless it says so. */
  at?: string;
}

// Alike are those of one minute. One row cannot be written twice in a statement, so they are put together first. Where the
// session has as many as it may have, those that it has not made before have no name of their own. Only what was written, and
// not told before, is summed up.
const note: Statement = {
  name: "credential_use_note",
  text: `
with held as materialized (
  select id, (select count(*) from (select from credential_use where session_id = $2 limit $4) u) >= $4::int as is_full
  from session where id = $2 and workspace_id = $1 for key share
), sent as (
  select u.use_id, u.credential_id, u.resource_id, u.kind, u.host, u.outcome, u.count,
    least(coalesce(u.at, drover_now()), drover_now()) as at
  from json_to_recordset($3::json) as u (
    use_id text, credential_id text, resource_id text, kind text, host text, outcome text, count bigint, at timestamptz)
), named as (
  select s.*, date_trunc('minute', s.at, 'UTC') as minute, held.is_full and not exists (
      select from credential_use k
      where k.session_id = $2 and k.minute = date_trunc('minute', s.at, 'UTC')
        and coalesce(k.credential_id, k.resource_id) = coalesce(s.credential_id, s.resource_id)
        and (k.type, k.host, k.outcome) = (s.kind, s.host, s.outcome)) as is_more
  from sent s, held
), alike as materialized (
  select min(use_id) as id, credential_id, resource_id, kind as type, case when is_more then '*' else host end as host,
    case when is_more then 'more' else outcome end as outcome, sum(count) as count, minute, min(at) as first, max(at) as last
  from named group by credential_id, resource_id, 4, 5, 6, minute
), written as (
  insert into credential_use as u (workspace_id, session_id, id, credential_id, resource_id, type, host, outcome, count, minute,
    created_at, tells)
  select $1, $2, id, credential_id, resource_id, type, host, outcome, count, minute, first, array_remove(array[$5::text], null)
  from alike order by minute, coalesce(credential_id, resource_id), type, host, outcome
  on conflict (session_id, minute, coalesce(credential_id, resource_id), type, host, outcome)
    do update set count = u.count + excluded.count, tells = (excluded.tells || u.tells)[1:$6]
    where not excluded.tells && u.tells
  returning credential_id, type, host, outcome, minute
)
insert into credential_use_summary as s (workspace_id, credential_id, session_id, type, host, count, last_outcome, first_used_at,
  last_used_at)
select $1, credential_id, $2, type, host, sum(count), (array_agg(outcome order by last desc, outcome))[1], min(first), max(last)
from written join alike using (credential_id, type, host, outcome, minute)
group by credential_id, type, host order by credential_id, type, host
on conflict (credential_id, session_id, type, host)
  do update set count = s.count + excluded.count, first_used_at = least(s.first_used_at, excluded.first_used_at),
    last_outcome = case when excluded.last_used_at >= s.last_used_at then excluded.last_outcome else s.last_outcome end,
    last_used_at = greatest(s.last_used_at, excluded.last_used_at)`,
};

/**
 * Writes down uses of one session, for its audit. Of a session that is gone, nothing. `tell`: of a message that may come again,
 * and then changes nothing.
 */
export async function noteUses(
  db: Database,
  workspaceId: string,
  sessionId: string,
  uses: readonly NewUse[],
  tell: string | null = null,
): Promise<void> {
  if (uses.length === 0) return;
  const rows = uses.map(({ id, kind, host, outcome, count = 1, at = null }) => {
    const isResource = id.startsWith(idPrefix.resource);
    return {
      use_id: newId("credential_use"),
      credential_id: isResource ? null : id,
      resource_id: isResource ? id : null,
      kind,
      host: shown(host),
      outcome: shown(outcome),
      count,
      at,
    };
  });
  const { credential_uses_max, credential_use_tells_max } = limits;
  const values = [JSON.stringify(rows), credential_uses_max, tell, credential_use_tells_max];
  await db.query(note, [workspaceId, sessionId, ...values]);
}

/** What a program has chosen may be anything, and long; people read it in terminals. */
const shown = (text: string) =>
  text.toWellFormed().replaceAll(/\p{C}/gu, "?").slice(0, limits.credential_use_chars_max).toWellFormed();

const forget: Statement = {
  name: "credential_use_forget",
  text: `delete from credential_use u using (
      select id from credential_use where created_at <= drover_now() - $1 * interval '1 millisecond'
      order by created_at limit $2 for update skip locked) old
    where u.id = old.id returning 1`,
};

const forgetSummary: Statement = {
  name: "credential_use_summary_forget",
  text: `delete from credential_use_summary s using (
      select credential_id, session_id, type, host from credential_use_summary
      where last_used_at <= drover_now() - $1 * interval '1 millisecond'
      order by last_used_at limit $2 for update skip locked) old
    where (s.credential_id, s.session_id, s.type, s.host) = (old.credential_id, old.session_id, old.type, old.host) returning 1`,
};

/** Removes what has been kept long enough. */
export async function forgetOldUses(db: Database): Promise<void> {
  const most = limits.credential_uses_sweep_batch_max;
  for (const statement of [forget, forgetSummary])
    for (;;) {
      const forgotten = await db.query(statement, [limits.credential_uses_kept_ms, most]);
      if (forgotten.length < most) break;
    }
}
