import { isDeepStrictEqual } from "node:util";
import type { Database, Statement } from "../../db/database.ts";
import { limits } from "../../limits.ts";
import { notFound } from "../../protocol/errors.ts";
import { type MetadataPatch, patchedMetadata } from "../../protocol/metadata.ts";
import { decodeCursor, type Page, pageFrom, timePosition } from "../../protocol/page.ts";
import type { ListWork, Work, WorkQueueStats } from "../../protocol/work.ts";
import { untilFirst } from "../attempts.ts";
import { toWork, type WorkRow, workColumns, workNotFound } from "./row.ts";

const selectOne: Statement = {
  name: "work_select",
  text: `select ${workColumns}, w.xmin::text as row_version from work_item w
    where w.workspace_id = $1 and w.environment_id = $2 and w.id = $3`,
};

type VersionedRow = WorkRow & { row_version: string };

async function found(db: Database, place: Place): Promise<VersionedRow> {
  const [row] = await db.query<VersionedRow>(selectOne, [place.workspaceId, place.environmentId, place.id]);
  if (!row) throw workNotFound(place.id);
  return row;
}

/** Where an item is. */
export interface Place {
  workspaceId: string;
  environmentId: string;
  id: string;
}

const shown = ({ row_version: _, ...row }: VersionedRow): Work => toWork(row);

export const getWork = async (db: Database, place: Place): Promise<Work> => shown(await found(db, place));

const updateOne: Statement = {
  name: "work_update",
  text: `update work_item w set metadata = $2::json where w.id = $1 and w.xmin::text = $3
    returning ${workColumns}`,
};

export function updateWork(db: Database, place: Place, patch: MetadataPatch): Promise<Work> {
  return untilFirst(`work ${place.id}`, async () => {
    const current = await found(db, place);
    const metadata = patchedMetadata(current.metadata, patch);
    if (isDeepStrictEqual(metadata, current.metadata)) return shown(current);
    const values = [place.id, JSON.stringify(metadata), current.row_version];
    const [row] = await db.query<WorkRow>(updateOne, values);
    return row && toWork(row);
  });
}

const selectPage: Statement = {
  name: "work_page",
  text: `select ${workColumns} from work_item w
    where w.environment_id = (select id from environment where id = $1 and workspace_id = $5)
      and (w.created_at, w.id) < ($2::timestamptz, $3)
    order by w.created_at desc, w.id desc limit $4`,
};

const selectEnvironment: Statement = {
  name: "work_environment",
  text: "select id from environment where id = $1 and workspace_id = $2",
};

/** Newest first. */
export async function listWork(
  db: Database,
  workspaceId: string,
  environmentId: string,
  query: ListWork,
): Promise<Page<Work>> {
  const scope = { list: `work ${environmentId}`, order: "desc" } as const;
  const after = decodeCursor(query.page, scope, timePosition)?.position;
  const values = [environmentId, after?.at ?? "infinity", after?.id ?? "", query.limit + 1, workspaceId];
  const rows = await db.query<WorkRow>(selectPage, values);
  if (rows.length === 0) {
    const [environment] = await db.query<{ id: string }>(selectEnvironment, [environmentId, workspaceId]);
    if (!environment) throw notFound(`environment ${environmentId} not found`);
  }
  const positionOf = ({ created_at, id }: WorkRow) => ({ at: created_at, id });
  return pageFrom(rows, query.limit, scope, positionOf, (row) => toWork(row));
}

const selectStats: Statement = {
  name: "work_stats",
  text: `
select e.id, q.depth, q.pending, q.oldest_queued_at,
  (select count(*) from work_poller p where p.environment_id = e.id
    and abs(extract(epoch from drover_now() - p.polled_at)) * 1000 < ${limits.work_polling_ms}) as workers_polling
from environment e cross join lateral (
  select count(*) filter (where claimed_at is null) as depth, count(*) filter (where claimed_at is not null) as pending,
    min(created_at) as oldest_queued_at
  from work_item w where w.environment_id = e.id and w.state = 'queued') q
where e.id = $2 and e.workspace_id = $1`,
};

export async function workStats(
  db: Database,
  workspaceId: string,
  environmentId: string,
): Promise<WorkQueueStats> {
  const [row] = await db.query<Omit<WorkQueueStats, "type"> & { id: string }>(selectStats, [
    workspaceId,
    environmentId,
  ]);
  if (!row) throw notFound(`environment ${environmentId} not found`);
  const { id: _, ...stats } = row;
  return { type: "work_queue_stats", ...stats };
}
