import type { Database, Statement } from "../../db/database.ts";
import type { Credential } from "../../protocol/credentials.ts";
import { getCredential } from "./read.ts";
import { type CredentialRow, credentialColumns, toCredential } from "./row.ts";

const archiveOne: Statement = {
  name: "credential_archive",
  text: `
update credential c
   set archived_at = coalesce(c.archived_at, drover_now()), secret = null, refresher = null, refresh_until = null
 where c.workspace_id = $1 and c.vault_id = $2 and c.id = $3
returning ${credentialColumns}`,
};

/** Its secret is gone for good; the record stays, and another one can have its key. */
export async function archiveCredential(
  db: Database,
  workspaceId: string,
  vaultId: string,
  id: string,
): Promise<Credential> {
  const [row] = await db.query<CredentialRow>(archiveOne, [workspaceId, vaultId, id]);
  return row ? toCredential(row) : getCredential(db, workspaceId, vaultId, id);
}

const deleteOne: Statement = {
  name: "credential_delete",
  text: "delete from credential where workspace_id = $1 and vault_id = $2 and id = $3 returning id",
};

export async function deleteCredential(
  db: Database,
  workspaceId: string,
  vaultId: string,
  id: string,
): Promise<{ id: string; type: "vault_credential_deleted" }> {
  const [row] = await db.query<{ id: string }>(deleteOne, [workspaceId, vaultId, id]);
  // Of what is not there, that says so.
  if (!row) await getCredential(db, workspaceId, vaultId, id);
  return { id, type: "vault_credential_deleted" };
}
