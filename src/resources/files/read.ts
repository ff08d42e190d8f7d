import type { Database, Statement } from "../../db/database.ts";
import { limits } from "../../limits.ts";
import { invalid, notFound } from "../../protocol/errors.ts";
import type { FileMetadata, FilesPage, ListFiles } from "../../protocol/files.ts";
import { decodeCursor, encodeCursor, timePosition } from "../../protocol/page.ts";
import { type FileRow, type FileRules, fileColumns, toFile } from "./row.ts";

type Shown = Pick<FileRules, "uploads_downloadable">;

export const fileNotFound = (id: string) => notFound(`file ${id} not found`);

const get: Statement = {
  name: "file_get",
  text: `select ${fileColumns}, f.sha256, coalesce(f.expires_at <= drover_now(), false) as expired
    from file f where f.workspace_id = $1 and f.id = $2 and f.deleted_at is null`,
};

type FoundRow = FileRow & { sha256: string | null; expired: boolean };

async function find(db: Database, workspaceId: string, id: string): Promise<FoundRow> {
  const [row] = await db.query<FoundRow>(get, [workspaceId, id]);
  if (!row) throw fileNotFound(id);
  return row;
}

/** One that has expired is told of for a while. */
export async function getFile(
  db: Database,
  workspaceId: string,
  id: string,
  rules: Shown,
): Promise<FileMetadata> {
  return toFile(await find(db, workspaceId, id), rules);
}

/** A file and what it holds. Whether a client may have that is another question. */
export async function getContent(
  db: Database,
  workspaceId: string,
  id: string,
  rules: Shown,
): Promise<{ file: FileMetadata; sha256: string }> {
  const row = await find(db, workspaceId, id);
  if (row.expired || row.sha256 === null)
    throw notFound(`file ${id} has expired at ${row.expires_at}: its content is gone`, {
      code: "file_expired",
    });
  return { file: toFile(row, rules), sha256: row.sha256 };
}

/** The same, for a client. */
export async function getDownload(db: Database, workspaceId: string, id: string, rules: Shown) {
  const found = await getContent(db, workspaceId, id, rules);
  if (!found.file.downloadable)
    throw invalid(
      `file ${id} was uploaded, and cannot be downloaded; this server allows that with DROVER_FILES_DOWNLOADABLE=1`,
      { code: "file_not_downloadable" },
    );
  return found;
}

// Each kind of list by an index of its own: the files of one session are found among however many others.
const filters = {
  all: "$4::text is null and $5::text[] is null",
  scope: "f.scope_session_id = $4 and ($5::text[] is null or f.id = any($5))",
  ids: "$4::text is null and f.id = any($5)",
};
type Filter = keyof typeof filters;

/** Newest first, or from a place backwards, nearest first. A place may be that of a file that was deleted meanwhile. */
const list = (direction: "forward" | "backward", filter: Filter): Statement => {
  const [than, order, start] =
    direction === "forward" ? ["<", "desc", "infinity"] : [">", "asc", "-infinity"];
  return {
    name: `file_list_${direction}_${filter}`,
    text: `
with place as materialized (
  select coalesce($2::timestamptz, (select created_at from file where workspace_id = $1 and id = $3), '${start}') as at
)
select ${fileColumns} from file f
where f.workspace_id = $1 and f.deleted_at is null and f.superseded_at is null
  and (f.created_at, f.id) ${than} ((select at from place), coalesce($3::text, ''))
  and ${filters[filter]}
order by f.created_at ${order}, f.id ${order} limit $6`,
  };
};
const listsOf = (filter: Filter) => ({
  forward: list("forward", filter),
  backward: list("backward", filter),
});
const lists = { all: listsOf("all"), scope: listsOf("scope"), ids: listsOf("ids") };

const scope = { list: "files", order: "desc" } as const;

export async function listFiles(
  db: Database,
  workspaceId: string,
  query: ListFiles,
  rules: Shown,
): Promise<FilesPage> {
  const cursor = decodeCursor(query.page, scope, timePosition);
  const placeId = cursor?.position.id ?? query.after_id ?? query.before_id ?? null;
  if (placeId !== null && !cursor) await requirePlace(db, workspaceId, placeId, query);
  const back = query.before_id !== undefined;
  const limit = query.ids ? limits.file_ids_max : (query.limit ?? limits.files_page);
  const filter = query.scope_id !== undefined ? "scope" : query.ids ? "ids" : "all";
  const rows = await db.query<FileRow>(lists[filter][back ? "backward" : "forward"], [
    workspaceId,
    cursor?.position.at ?? null,
    placeId,
    query.scope_id ?? null,
    query.ids ?? null,
    limit + 1,
  ]);
  const more = rows.length > limit;
  const shown = rows.slice(0, limit);
  if (back) shown.reverse();
  const last = shown.at(-1);
  // Behind a page that was walked back to comes the file from which that was.
  const hasNext = last !== undefined && (back || more);
  return {
    data: shown.map((row) => toFile(row, rules)),
    next_page: hasNext ? encodeCursor(scope, { at: last.created_at, id: last.id }) : null,
    has_more: more,
    first_id: shown[0]?.id ?? null,
    last_id: last?.id ?? null,
  };
}

const findPlace: Statement = {
  name: "file_place",
  text: "select 1 as found from file where workspace_id = $1 and id = $2",
};

async function requirePlace(
  db: Database,
  workspaceId: string,
  id: string,
  { after_id }: ListFiles,
): Promise<void> {
  const [place] = await db.query(findPlace, [workspaceId, id]);
  if (!place)
    throw invalid(
      `${after_id === undefined ? "before_id" : "after_id"}: file ${id} not found; list from the beginning`,
    );
}
