import type { Database, Statement } from "../../db/database.ts";
import type { Credential, ListCredentials } from "../../protocol/credentials.ts";
import { decodeCursor, type Page, pageFrom, timePosition } from "../../protocol/page.ts";
import {
  type CredentialRow,
  credentialColumns,
  credentialNotFound,
  toCredential,
  vaultNotFound,
} from "./row.ts";

const selectOne: Statement = {
  name: "credential_select",
  text: `
select ${credentialColumns} from vault v left join credential c on c.vault_id = v.id and c.id = $3
where v.id = $2 and v.workspace_id = $1`,
};

export async function getCredential(
  db: Database,
  workspaceId: string,
  vaultId: string,
  id: string,
): Promise<Credential> {
  const [row] = await db.query<CredentialRow | { id: null }>(selectOne, [workspaceId, vaultId, id]);
  if (!row) throw vaultNotFound(vaultId);
  if (row.id === null) throw credentialNotFound(id);
  return toCredential(row);
}

const selectPage: Statement = {
  name: "credential_page",
  text: `
with held as (select id from vault where id = $2 and workspace_id = $1)
select c.* from held left join lateral (
  select ${credentialColumns} from credential c
  where c.vault_id = held.id and (c.created_at, c.id) < ($3::timestamptz, $4) and (c.archived_at is null or $5)
  order by c.created_at desc, c.id desc limit $6) c on true`,
};

/** Newest first. */
export async function listCredentials(
  db: Database,
  workspaceId: string,
  vaultId: string,
  query: ListCredentials,
): Promise<Page<Credential>> {
  const scope = { list: `credentials ${vaultId}`, order: "desc" } as const;
  const after = decodeCursor(query.page, scope, timePosition)?.position;
  const found = await db.query<CredentialRow | { id: null }>(selectPage, [
    workspaceId,
    vaultId,
    after?.at ?? "infinity",
    after?.id ?? "",
    query.include_archived,
    query.limit + 1,
  ]);
  if (found.length === 0) throw vaultNotFound(vaultId);
  const rows = found.flatMap((row) => (row.id === null ? [] : [row]));
  return pageFrom(rows, query.limit, scope, ({ created_at, id }) => ({ at: created_at, id }), toCredential);
}
