import type { Checkout, SessionResource } from "../../protocol/session-resources.ts";

export interface ResourceRow {
  id: string;
  type: SessionResource["type"];
  file_id: string | null;
  url: string | null;
  checkout: Checkout | null;
  mount_path: string;
  created_at: string;
  updated_at: string;
}

/** Of a `session_resource r`. */
export const resourceColumns =
  "r.id, r.type, r.file_id, r.url, r.checkout, r.mount_path, r.created_at, r.updated_at";

const time = (column: string) => `to_char(${column}, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

/** Rows of `session_resource r` as one JSON array, in their order. */
export const resourcesJson = `coalesce(json_agg(json_build_object('id', r.id, 'type', r.type, 'file_id', r.file_id, 'url', r.url,
  'checkout', r.checkout, 'mount_path', r.mount_path, 'created_at', ${time("r.created_at")},
  'updated_at', ${time("r.updated_at")}) order by r.position), '[]')`;

export function toResource(row: ResourceRow): SessionResource {
  const { id, mount_path, created_at, updated_at } = row;
  const shown = { id, mount_path, created_at, updated_at };
  return row.type === "file"
    ? { ...shown, type: "file", file_id: row.file_id ?? "" }
    : { ...shown, type: "github_repository", url: row.url ?? "", checkout: row.checkout };
}
