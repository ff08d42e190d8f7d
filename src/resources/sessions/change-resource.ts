import type { Database, Statement } from "../../db/database.ts";
import { mountsChangedIn } from "../../log/session-mounts.ts";
import { invalid } from "../../protocol/errors.ts";
import { archived } from "./add-resource.ts";
import { sessionNotFound } from "./read.ts";
import { getResource, resourceNotFound } from "./read-resources.ts";

// Of two that remove the same one, the row has one: the other finds it gone.
const remove: Statement = {
  name: "session_resource_delete",
  text: `
with head as materialized (
  select session_id, workspace_id, status, seq, greatest(drover_now(), last_at + interval '1 microsecond') as at
  from session_head where session_id = $2 and workspace_id = $1 for no key update
), gone as (
  delete from session_resource r using head h
  where r.session_id = h.session_id and r.id = $3 and r.type = 'file' and h.status <> 'terminated'
  returning r.id, r.session_id, r.file_id
), taken as materialized (
  select h.session_id, h.workspace_id, h.seq, h.at, g.file_id from head h join gone g using (session_id)
), ${mountsChangedIn("taken", "$4")}, unmounted as (
  update file f set deleted_at = t.at, sha256 = null from taken t where f.id = t.file_id
)
select h.status, gone.id as removed, h.seq + 1 as seq, (select count(*) from rung) as rung
from head h left join gone on true`,
};

/** Takes a file away from a session: its next command does not see it any more. */
export async function deleteResource(
  db: Database,
  workspaceId: string,
  sessionId: string,
  id: string,
  hooks: { from: number; moved(seq: number): void },
): Promise<{ id: string; type: "session_resource_deleted" }> {
  const values = [workspaceId, sessionId, id, String(hooks.from)];
  const [row] = await db.query<{ status: string; removed: string | null; seq: number }>(remove, values);
  if (!row) throw sessionNotFound(sessionId);
  if (row.removed === null) {
    const { type } = await getResource(db, workspaceId, sessionId, id);
    if (row.status === "terminated") throw archived(sessionId);
    if (type === "file") throw resourceNotFound(id, sessionId);
    throw invalid(`resource ${id} is a repository, which stays for as long as its session`);
  }
  hooks.moved(row.seq);
  return { id, type: "session_resource_deleted" };
}
