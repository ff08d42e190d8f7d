import type { Database, Statement } from "../../db/database.ts";
import { notFound } from "../../protocol/errors.ts";

/**
 * Files that a statement copies into a session. It has a step `asked` with what is copied, `source_id`, and the id of each
 * copy, `file_id`; and its workspace in $1.
 */

/**
 * Steps that give, as `sources`, those that are there. From then on nobody lets go of their contents, which are locked in their
 * order.
 */
export const heldSources = `found as materialized (
  select a.source_id, a.file_id, f.filename, f.mime_type, f.sha256, f.downloadable
  from asked a join file f on f.id = a.source_id
  where f.workspace_id = $1 and f.deleted_at is null and f.sha256 is not null
    and (f.expires_at is null or f.expires_at > drover_now())
), locked as materialized (
  select b.sha256 from blob b where b.sha256 in (select sha256 from found) order by b.sha256 for no key update
), contents as (
  update blob b set used_at = greatest(b.used_at, drover_now()) from locked l where b.sha256 = l.sha256
  returning b.sha256, b.bytes
), sources as materialized (
  select * from found join contents using (sha256)
)`;

/**
 * Inserts them, for the session that `step` has a row of, with its `session_id` and `at`. They do not count against the quota.
 * `path`: where the session has written them, if it has; it may be a column of `asked`.
 */
export const insertCopies = (step: string, path = "null") => `
  insert into file (workspace_id, id, filename, mime_type, size_bytes, sha256, downloadable, counted, scope_session_id, path,
    created_at)
  select $1, s.file_id, s.filename, s.mime_type, s.bytes, s.sha256, s.downloadable, false, c.session_id, ${path}, c.at
  from sources s join asked on asked.file_id = s.file_id, ${step} c`;

const look: Statement = {
  name: "file_sources",
  text: `select f.id, coalesce(f.expires_at <= drover_now(), false) as expired, f.expires_at
    from file f where f.workspace_id = $1 and f.id = any($2) and f.deleted_at is null`,
};

/** Says which of these files cannot be copied, if there is one. `path`: where a request names it. */
export async function requireSources(
  db: Database,
  workspaceId: string,
  asked: { file_id: string; path: string }[],
): Promise<void> {
  const ids = asked.map(({ file_id }) => file_id);
  const rows = await db.query<{ id: string; expired: boolean; expires_at: string | null }>(look, [
    workspaceId,
    ids,
  ]);
  const found = new Map(rows.map((row) => [row.id, row]));
  for (const { file_id, path } of asked) {
    const file = found.get(file_id);
    if (!file) throw notFound(`${path}: file ${file_id} not found`);
    if (file.expired)
      throw notFound(`${path}: file ${file_id} has expired at ${file.expires_at}`, { code: "file_expired" });
  }
}
