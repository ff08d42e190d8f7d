import type { Database, Statement } from "../../db/database.ts";
import { limits } from "../../limits.ts";
import { invalid } from "../../protocol/errors.ts";
import { fileNotFound } from "./read.ts";

// Of those below, each locks the storage of its workspaces before it locks files, as whoever makes files does.

const remove: Statement = {
  name: "file_delete",
  text: `
with storage as materialized (
  select workspace_id from file_storage where workspace_id = $1 for no key update
), found as materialized (
  select f.id, case when f.counted and f.sha256 is not null then f.size_bytes else 0 end as held, f.scope_session_id,
    (select r.id from session_resource r where r.file_id = f.id) as resource_id
  from storage s join file f on f.workspace_id = s.workspace_id
  where f.id = $2 and f.deleted_at is null for no key update of f
), gone as (
  update file f set deleted_at = drover_now(), sha256 = null from found where f.id = found.id and found.resource_id is null
), freed as (
  update file_storage s set bytes = s.bytes - found.held from found where s.workspace_id = $1 and found.resource_id is null
)
select id, scope_session_id, resource_id from found`,
};

export async function deleteFile(
  db: Database,
  workspaceId: string,
  id: string,
): Promise<{ id: string; type: "file_deleted" }> {
  const [found] = await db.query<{ scope_session_id: string | null; resource_id: string | null }>(remove, [
    workspaceId,
    id,
  ]);
  if (!found) throw fileNotFound(id);
  if (found.resource_id !== null)
    throw invalid(
      `file ${id} is mounted in session ${found.scope_session_id}: delete its resource ${found.resource_id} there instead`,
    );
  return { id, type: "file_deleted" };
}

// An expired file has no content any more, and is told of for a while. A superseded one is deleted.
const expire: Statement = {
  name: "file_expire",
  text: `
with over as materialized (
  select id, workspace_id from file
  where sha256 is not null and deleted_at is null and expires_at <= drover_now()
  order by expires_at limit $1
), superseded as materialized (
  select id, workspace_id from file
  where sha256 is not null and deleted_at is null and superseded_at <= drover_now() - $2 * interval '1 millisecond'
  order by superseded_at limit $1
), due as materialized (
  select id, workspace_id, false as deleted from over
  union all select id, workspace_id, true from superseded where id not in (select id from over)
), storage as materialized (
  select workspace_id from file_storage where workspace_id in (select workspace_id from due)
  order by workspace_id for no key update
), found as materialized (
  select f.id, f.workspace_id, due.deleted, case when f.counted then f.size_bytes else 0 end as held
  from storage s join due using (workspace_id) join file f on f.id = due.id
  where f.sha256 is not null and f.deleted_at is null for no key update of f
), gone as (
  update file f set sha256 = null, deleted_at = case when found.deleted then drover_now() end
  from found where f.id = found.id
), freed as (
  update file_storage s set bytes = s.bytes - sums.held
  from (select workspace_id, sum(held) as held from found group by workspace_id) sums
  where s.workspace_id = sums.workspace_id
)
select id from found`,
};

// Nobody sees them any more, and they hold nothing.
const purge: Statement = {
  name: "file_purge",
  text: `
with old as materialized (
  (select id from file where deleted_at <= drover_now() - $1 * interval '1 millisecond' order by deleted_at limit $3)
  union (select id from file where sha256 is null and expires_at <= drover_now() - $2 * interval '1 millisecond'
    order by expires_at limit $3)
)
delete from file f using old where f.id = old.id returning f.id`,
};

/** Takes the content of files whose time is over, and in the end their rows. */
export async function sweepFiles(db: Database): Promise<void> {
  const most = limits.files_sweep_batch_max;
  for (;;) {
    const over = await db.query(expire, [most, limits.file_superseded_ms]);
    const values = [limits.file_deleted_kept_ms, limits.file_expired_kept_ms, most];
    const purged = await db.query(purge, values);
    if (over.length < most && purged.length < most) return;
  }
}
