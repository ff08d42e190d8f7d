import type { Database, Statement } from "../../db/database.ts";
import type { Blob } from "../../files/blobs.ts";
import { invalid } from "../../protocol/errors.ts";
import type { FileMetadata } from "../../protocol/files.ts";
import { newId } from "../../protocol/ids.ts";
import { type FileRow, type FileRules, fileColumns, toFile } from "./row.ts";

export interface NewFile {
  filename: string;
  mime_type: string;
  /** As it was kept: no longer ago than `limits.blob_unnamed_ms`, unless another row names it. */
  content: Blob;
  expires_in_seconds?: number | undefined;
  /** Whether clients may have its content whatever the server is set to. */
  downloadable: boolean;
  /** Whether it counts against the quota: copies do not. */
  counted: boolean;
  /** The session that it goes with, and where that has written it: the file that was there before leaves the lists. */
  scope?: { session_id: string; path: string | null };
}

// The content first: from then on nobody lets go of it. Then the workspace's storage, which all wait for who change its files.
const insert: Statement = {
  name: "file_create",
  text: `
with content as materialized (
  update blob b set used_at = greatest(b.used_at, drover_now()) where b.sha256 = $5 returning b.sha256, b.bytes
), storage as materialized (
  insert into file_storage as s (workspace_id, bytes)
  select $1, case when $7 then c.bytes else 0 end from content c
  where not $7 or $8::bigint is null or c.bytes <= $8
  on conflict (workspace_id) do update set bytes = s.bytes + excluded.bytes
    where not $7 or $8 is null or s.bytes + excluded.bytes <= $8
  returning s.workspace_id
), created as (
  insert into file as f (workspace_id, id, filename, mime_type, size_bytes, sha256, downloadable, counted,
    scope_session_id, path, created_at, expires_at)
  select s.workspace_id, $2, $3, $4, c.bytes, c.sha256, $6, $7, $9, $10, moment.at,
    moment.at + $11::int * interval '1 second'
  from storage s, content c, (select drover_now() as at offset 0) moment
  returning ${fileColumns}
), former as (
  update file f set superseded_at = c.created_at from created c
  where $10::text is not null and f.scope_session_id = $9 and f.path = $10 and f.workspace_id = $1
    and f.superseded_at is null and f.deleted_at is null
)
select exists (select from content) as kept, created.* from (values (1)) as one (n) left join created on true`,
};

export async function createFile(
  db: Database,
  workspaceId: string,
  file: NewFile,
  rules: FileRules,
): Promise<FileMetadata> {
  const [row] = await db.query<{ kept: boolean } & (FileRow | { id: null })>(insert, [
    workspaceId,
    newId("file"),
    file.filename,
    file.mime_type,
    file.content.sha256,
    file.downloadable,
    file.counted,
    rules.quota_bytes,
    file.scope?.session_id ?? null,
    file.scope?.path ?? null,
    file.expires_in_seconds ?? null,
  ]);
  if (!row?.kept) throw new Error(`the content ${file.content.sha256} of a new file is not there any more`);
  if (row.id === null) throw quotaExceeded(rules);
  return toFile(row, rules);
}

const used: Statement = {
  name: "file_storage_used",
  text: "select bytes from file_storage where workspace_id = $1",
};

/** Refuses what surely has no room before any of it is taken in. */
export async function requireRoom(
  db: Database,
  workspaceId: string,
  bytes: number,
  rules: FileRules,
): Promise<void> {
  if (rules.quota_bytes === null) return;
  const [storage] = await db.query<{ bytes: number }>(used, [workspaceId]);
  if ((storage?.bytes ?? 0) + bytes > rules.quota_bytes) throw quotaExceeded(rules);
}

const quotaExceeded = ({ quota_bytes }: FileRules) =>
  invalid(
    `the files of this workspace may take ${quota_bytes} bytes together, and this one does not fit: delete files, then try again`,
    { code: "storage_quota_exceeded" },
  );
