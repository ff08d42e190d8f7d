import { z } from "zod";
import type { Database, Statement } from "../../db/database.ts";
import { notFound } from "../../protocol/errors.ts";
import { decodeCursor, type Page, pageFrom } from "../../protocol/page.ts";
import type { ListResources, SessionResource } from "../../protocol/session-resources.ts";
import { sessionNotFound } from "./read.ts";
import { type ResourceRow, resourceColumns, toResource } from "./resource-row.ts";

export const resourceNotFound = (id: string, sessionId: string) =>
  notFound(`resource ${id} not found in session ${sessionId}`);

const get: Statement = {
  name: "session_resource_get",
  text: `select ${resourceColumns} from session s left join session_resource r on r.session_id = s.id and r.id = $3
    where s.id = $2 and s.workspace_id = $1`,
};

export async function getResource(
  db: Database,
  workspaceId: string,
  sessionId: string,
  id: string,
): Promise<SessionResource> {
  const [row] = await db.query<ResourceRow | { id: null }>(get, [workspaceId, sessionId, id]);
  if (!row) throw sessionNotFound(sessionId);
  if (row.id === null) throw resourceNotFound(id, sessionId);
  return toResource(row);
}

const list: Statement = {
  name: "session_resource_list",
  text: `select ${resourceColumns}, r.position
    from session s left join session_resource r on r.session_id = s.id and r.position > $3
    where s.id = $2 and s.workspace_id = $1 order by r.position limit $4`,
};

type ListedRow = ResourceRow & { position: number };

const place = z.strictObject({ position: z.int().min(0) });

/** In the order in which they came. */
export async function listResources(
  db: Database,
  workspaceId: string,
  sessionId: string,
  query: ListResources,
): Promise<Page<SessionResource>> {
  const scope = { list: `resources ${sessionId}`, order: "asc" } as const;
  const after = decodeCursor(query.page, scope, place)?.position.position ?? 0;
  const values = [workspaceId, sessionId, after, query.limit + 1];
  const rows = await db.query<ListedRow | { id: null }>(list, values);
  if (rows.length === 0) throw sessionNotFound(sessionId);
  const found = rows.filter((row) => row.id !== null);
  return pageFrom(found, query.limit, scope, ({ position }) => ({ position }), toResource);
}
