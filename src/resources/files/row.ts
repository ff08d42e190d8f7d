import type { FileMetadata } from "../../protocol/files.ts";

export interface FileRow {
  id: string;
  filename: string;
  mime_type: string;
  size_bytes: number;
  downloadable: boolean;
  scope_session_id: string | null;
  path: string | null;
  created_at: string;
  expires_at: string | null;
}

export const fileColumns =
  "f.id, f.filename, f.mime_type, f.size_bytes, f.downloadable, f.scope_session_id, f.path, f.created_at, f.expires_at";

/** What the server is set to. */
export interface FileRules {
  /** Of all files of a workspace, in bytes; null is no bound. */
  quota_bytes: number | null;
  /** Whether clients may have what they have uploaded. */
  uploads_downloadable: boolean;
}

export const toFile = (row: FileRow, rules: Pick<FileRules, "uploads_downloadable">): FileMetadata => ({
  id: row.id,
  type: "file",
  filename: row.filename,
  mime_type: row.mime_type,
  size_bytes: row.size_bytes,
  created_at: row.created_at,
  downloadable: row.downloadable || rules.uploads_downloadable,
  expires_at: row.expires_at,
  scope: row.scope_session_id === null ? null : { type: "session", id: row.scope_session_id },
  ...(row.path !== null && { path: row.path }),
});
