import type { Database, Statement } from "../../db/database.ts";
import { limits } from "../../limits.ts";
import { type CreateCredential, type Credential, createdAuth } from "../../protocol/credentials.ts";
import { invalid } from "../../protocol/errors.ts";
import { newId } from "../../protocol/ids.ts";
import type { Seal } from "../../vault/seal.ts";
import { credentialPlace } from "../../vault/secrets.ts";
import {
  type CredentialRow,
  createdSecret,
  credentialColumns,
  credentialExists,
  keyOf,
  toCredential,
  vaultNotFound,
} from "./row.ts";

// The vault's row is locked, and only then is looked at what it holds: of two that come at once, one comes first.
const insertOne: Statement = {
  name: "credential_insert",
  text: `
with held as materialized (
  select id, archived_at from vault where id = $2 and workspace_id = $1 for no key update
), found as materialized (
  select held.*, credentials_beside(held.id, $7) as beside, coalesce($9::timestamptz <= drover_now(), false) as is_past
  from held
), made as (
  insert into credential as c (workspace_id, vault_id, id, display_name, metadata, auth, key, secret, created_at, updated_at)
  select $1, f.id, $3, $4, $5::json, $6::json, $7, $8, moment.at, moment.at
  from found f, (select drover_now() as at offset 0) moment
  where f.archived_at is null and not f.is_past
    and (f.beside ->> 'active')::int < $10 and not (f.beside ->> 'same')::boolean
  returning ${credentialColumns}
)
select f.archived_at is not null as is_archived, f.is_past, (f.beside ->> 'same')::boolean as is_double, made.*
from found f left join made on true`,
};

type Inserted = { is_archived: boolean; is_past: boolean; is_double: boolean } & (
  | CredentialRow
  | { id: null }
);

export async function createCredential(
  db: Database,
  seal: Seal,
  workspaceId: string,
  vaultId: string,
  params: CreateCredential,
): Promise<Credential> {
  const id = newId("credential");
  const auth = createdAuth(params.auth);
  const [row] = await db.query<Inserted>(insertOne, [
    workspaceId,
    vaultId,
    id,
    params.display_name ?? null,
    JSON.stringify(params.metadata ?? {}),
    JSON.stringify(auth),
    keyOf(auth),
    await seal.seal(JSON.stringify(createdSecret(params.auth)), credentialPlace(workspaceId, id)),
    auth.type === "mcp_oauth" ? auth.expires_at : null,
    limits.vault_credentials_max,
  ]);
  if (!row) throw vaultNotFound(vaultId);
  const { is_archived, is_past, is_double, ...made } = row;
  if (made.id !== null) return toCredential(made);
  if (is_archived) throw invalid(`vault ${vaultId} is archived: it takes no new credentials`);
  if (is_past) throw invalid("auth.expires_at: must be in the future");
  if (is_double) throw credentialExists(auth);
  throw invalid(
    `vault ${vaultId} has ${limits.vault_credentials_max} credentials, which is the most: archive or delete one first`,
  );
}
