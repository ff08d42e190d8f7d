import type { Database, Statement } from "../../db/database.ts";
import type { CredentialUse, ListUses } from "../../protocol/credential-uses.ts";
import { decodeCursor, type Page, pageFrom, timePosition } from "../../protocol/page.ts";
import { sessionNotFound } from "../sessions/read.ts";

const list = (order: "asc" | "desc"): Statement => ({
  name: `credential_use_list_${order}`,
  text: `
select u.* from session s left join lateral (
  select u.id, u.session_id, u.type as kind, u.credential_id, u.resource_id, u.host, u.outcome, u.count, u.created_at
  from credential_use u
  where u.session_id = s.id and (u.created_at, u.id) ${order === "asc" ? ">" : "<"} ($3::timestamptz, $4)
  order by u.created_at ${order}, u.id ${order} limit $5) u on true
where s.id = $2 and s.workspace_id = $1`,
});
const lists = { asc: list("asc"), desc: list("desc") };

type UseRow = Omit<CredentialUse, "type">;

/** What a session has used of credentials. */
export async function listUses(
  db: Database,
  workspaceId: string,
  sessionId: string,
  query: ListUses,
): Promise<Page<CredentialUse>> {
  const { order, limit } = query;
  const scope = { list: `credential_uses ${sessionId}`, order };
  const after = decodeCursor(query.page, scope, timePosition)?.position;
  const found = await db.query<UseRow | { id: null }>(lists[order], [
    workspaceId,
    sessionId,
    after?.at ?? (order === "asc" ? "-infinity" : "infinity"),
    after?.id ?? "",
    limit + 1,
  ]);
  if (found.length === 0) throw sessionNotFound(sessionId);
  const rows = found.flatMap((row) => (row.id === null ? [] : [row]));
  const useOf = ({ id, ...row }: UseRow): CredentialUse => ({ id, type: "credential_use", ...row });
  return pageFrom(rows, limit, scope, ({ created_at, id }) => ({ at: created_at, id }), useOf);
}
