import type { Database, Statement } from "../../db/database.ts";
import { limits } from "../../limits.ts";
import { mountsChangedIn } from "../../log/session-mounts.ts";
import { invalid } from "../../protocol/errors.ts";
import { newId } from "../../protocol/ids.ts";
import {
  type FileResourceParams,
  filePathOf,
  type SessionResource,
} from "../../protocol/session-resources.ts";
import { untilFirst } from "../attempts.ts";
import { heldSources, insertCopies, requireSources } from "../files/copies.ts";
import { sessionNotFound } from "./read.ts";
import { type ResourceRow, resourceColumns, toResource } from "./resource-row.ts";
import { notSelfHosted } from "./supported.ts";

// The log's head is locked first, as by every append: of what others add at the same time one sees either all or nothing.
const statement: Statement = {
  name: "session_resource_add",
  text: `
with head as materialized (
  select session_id, workspace_id, status, seq, work_environment_id,
    greatest(drover_now(), last_at + interval '1 microsecond') as at
  from session_head where session_id = $2 and workspace_id = $1 for no key update
), judged as materialized (
  select h.*, files_beside(h.session_id, $6) as beside from head h
), asked as materialized (
  select $3::text as source_id, $4::text as file_id from judged
  where status <> 'terminated' and work_environment_id is null
    and (beside ->> 'files')::int < $7 and beside ->> 'collides' is null
), ${heldSources}, taken as materialized (
  select j.session_id, j.workspace_id, j.seq, j.at, s.file_id from judged j, sources s
), ${mountsChangedIn("taken", "$8")}, copied as (
  ${insertCopies("taken")}
), added as (
  insert into session_resource as r (workspace_id, session_id, id, type, file_id, mount_path, position, created_at, updated_at)
  select t.workspace_id, t.session_id, $5, 'file', t.file_id, $6, m.version, t.at, t.at
  from taken t join remounted m using (session_id)
  returning ${resourceColumns}
)
select j.status, j.work_environment_id, (j.beside ->> 'files')::int as files, j.beside ->> 'collides' as collides,
  j.seq + 1 as seq, added.*, (select count(*) from rung) as rung
from judged j left join added on true`,
};

interface Judged {
  status: string;
  work_environment_id: string | null;
  files: number;
  /** The path of a file that is in the way. */
  collides: string | null;
  seq: number;
}

/** Mounts a copy of a file into a session that is there already: its next command sees it. */
export async function addResource(
  db: Database,
  workspaceId: string,
  sessionId: string,
  params: FileResourceParams,
  hooks: { from: number; moved(seq: number): void },
): Promise<SessionResource> {
  const path = filePathOf(params);
  return untilFirst(`session ${sessionId}`, async () => {
    const [row] = await db.query<Judged & (ResourceRow | { id: null })>(statement, [
      workspaceId,
      sessionId,
      params.file_id,
      newId("file"),
      newId("resource"),
      path,
      limits.file_resources_max,
      String(hooks.from),
    ]);
    if (!row) throw sessionNotFound(sessionId);
    if (row.id !== null) {
      hooks.moved(row.seq);
      return toResource(row);
    }
    if (row.status === "terminated") throw archived(sessionId);
    if (row.work_environment_id !== null) throw notSelfHosted(row.work_environment_id);
    if (row.files >= limits.file_resources_max)
      throw invalid(
        `session ${sessionId} has ${limits.file_resources_max} files already: delete one of its resources first`,
      );
    if (row.collides !== null)
      throw invalid(`mount_path: ${path} collides with the file at ${row.collides} in this session`);
    await requireSources(db, workspaceId, [{ file_id: params.file_id, path: "file_id" }]);
    return undefined;
  });
}

export const archived = (sessionId: string) =>
  invalid(`session ${sessionId} is archived: its resources cannot be changed any more`);
