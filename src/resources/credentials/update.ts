import { isDeepStrictEqual } from "node:util";
import type { Database, Statement } from "../../db/database.ts";
import {
  type Credential,
  type CredentialAuthUpdate,
  type UpdateCredential,
  updatedAuth,
} from "../../protocol/credentials.ts";
import { invalid } from "../../protocol/errors.ts";
import { patchedMetadata } from "../../protocol/metadata.ts";
import type { Seal } from "../../vault/seal.ts";
import { type CredentialSecret, credentialPlace, credentialSecret, openAs } from "../../vault/secrets.ts";
import { untilFirst } from "../attempts.ts";
import {
  type CredentialRow,
  credentialColumns,
  credentialNotFound,
  toCredential,
  vaultNotFound,
} from "./row.ts";

interface WholeRow extends CredentialRow {
  secret: string;
  row_version: string;
}

const selectWhole: Statement = {
  name: "credential_select_whole",
  text: `
select ${credentialColumns}, c.secret, c.xmin::text as row_version
from vault v left join credential c on c.vault_id = v.id and c.id = $3
where v.id = $2 and v.workspace_id = $1`,
};

// Changes nothing when the row is no longer the one that the new values were made from. With another scope a refresh may succeed.
const updateOne: Statement = {
  name: "credential_update",
  text: `
with moment as materialized (select drover_now() as at, coalesce($9::timestamptz <= drover_now(), false) as is_past),
changed as (
  update credential c
     set display_name = $4, metadata = $5::json, auth = $6::json, secret = coalesce($7, c.secret),
         secret_version = c.secret_version + case when $7::text is null then 0 else 1 end,
         refresh_rest_until = case when $10 then null else c.refresh_rest_until end,
         updated_at = greatest(moment.at, c.updated_at + interval '1 microsecond')
    from moment
   where c.workspace_id = $1 and c.vault_id = $2 and c.id = $3 and c.xmin::text = $8 and c.archived_at is null
     and not moment.is_past
  returning ${credentialColumns}
)
select moment.is_past, changed.* from moment left join changed on true`,
};

/** Of the secret only what was sent is another one. */
export async function updateCredential(
  db: Database,
  seal: Seal,
  workspaceId: string,
  vaultId: string,
  id: string,
  params: UpdateCredential,
): Promise<Credential> {
  /** Undefined when another update came first. */
  async function tryUpdate(): Promise<Credential | undefined> {
    const values = [workspaceId, vaultId, id];
    const [row] = await db.query<WholeRow | { id: null }>(selectWhole, values);
    if (!row) throw vaultNotFound(vaultId);
    if (row.id === null) throw credentialNotFound(id);
    const { secret, row_version, ...shown } = row;
    if (shown.archived_at !== null)
      throw invalid(`credential ${id} is archived and can no longer be changed`);
    const display_name = params.display_name ?? shown.display_name;
    const metadata = params.metadata ? patchedMetadata(shown.metadata, params.metadata) : shown.metadata;
    const auth = params.auth ? updatedAuth(shown.auth, params.auth) : shown.auth;
    const place = credentialPlace(workspaceId, id);
    const changed =
      params.auth && (await changedSecret(params.auth, () => openAs(credentialSecret, seal, secret, place)));
    const whole = { ...shown, display_name, metadata, auth };
    if (!changed && isDeepStrictEqual(whole, shown)) return toCredential(shown);
    const [updated] = await db.query<{ is_past: boolean } & (CredentialRow | { id: null })>(updateOne, [
      ...values,
      display_name,
      JSON.stringify(metadata),
      JSON.stringify(auth),
      changed ? await seal.seal(JSON.stringify(changed), place) : null,
      row_version,
      params.auth?.type === "mcp_oauth" ? (params.auth.expires_at ?? null) : null,
      !isDeepStrictEqual(auth, shown.auth),
    ]);
    if (updated?.is_past) throw invalid("auth.expires_at: must be in the future");
    if (!updated || updated.id === null) return undefined;
    const { is_past: _, ...made } = updated;
    return toCredential(made);
  }

  return untilFirst(`credential ${id}`, tryUpdate);
}

/** What is sealed of it after an update; null where nothing of that is sent. `current` opens what is sealed now. */
async function changedSecret(
  params: CredentialAuthUpdate,
  current: () => Promise<CredentialSecret>,
): Promise<CredentialSecret | null> {
  switch (params.type) {
    case "static_bearer":
      return params.token == null ? null : { type: params.type, token: params.token };
    case "environment_variable":
      return params.secret_value == null ? null : { type: params.type, secret_value: params.secret_value };
    case "mcp_oauth": {
      const access_token = params.access_token ?? undefined;
      const refresh_token = params.refresh?.refresh_token ?? undefined;
      const client_secret = params.refresh?.token_endpoint_auth?.client_secret ?? undefined;
      const sent = Object.entries({ access_token, refresh_token, client_secret }).filter(
        ([, value]) => value !== undefined,
      );
      if (sent.length === 0) return null;
      return credentialSecret.parse({ ...(await current()), ...Object.fromEntries(sent) });
    }
  }
}
