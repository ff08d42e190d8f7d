import type { Database, Statement } from "../../db/database.ts";
import type { Principal } from "../../protocol/principal.ts";
import { environmentKeyPrefix, secretHash, workTokenPrefix } from "../environment-keys.ts";

interface KeyRow {
  id: string;
  workspace_id: string;
  environment_id: string;
}

// When it was last used is noted once a minute: a worker asks all the time.
const byKey: Statement = {
  name: "environment_key_use",
  text: `
with used as (
  update environment_key set last_used_at = drover_now()
  where hash = $1 and revoked_at is null
    and (last_used_at is null or abs(extract(epoch from drover_now() - last_used_at)) > 60)
)
select id, workspace_id, environment_id from environment_key where hash = $1 and revoked_at is null`,
};

interface TokenRow extends KeyRow {
  session_id: string;
  worker_id: string | null;
}

// The token of an item that was given to another worker is nobody's any more: each has one of its own.
const byToken: Statement = {
  name: "work_token_use",
  text: `
select w.id, w.workspace_id, w.environment_id, w.session_id, w.worker_id
from work_item w join environment_key k on k.id = w.key_id
where w.token_hash = $1 and k.revoked_at is null`,
};

/** Whose environment key or work token it is; undefined when it is none, or none any more. */
export async function workPrincipal(db: Database, key: string): Promise<Principal | undefined> {
  if (key.startsWith(environmentKeyPrefix)) {
    const [row] = await db.query<KeyRow>(byKey, [secretHash(key)]);
    if (!row) return undefined;
    const { id, workspace_id: workspaceId, environment_id: environmentId } = row;
    return { kind: "environment_key", id, workspaceId, environmentId };
  }
  if (key.startsWith(workTokenPrefix)) {
    const [row] = await db.query<TokenRow>(byToken, [secretHash(key)]);
    if (!row) return undefined;
    return {
      kind: "work_token",
      id: row.id,
      workspaceId: row.workspace_id,
      environmentId: row.environment_id,
      sessionId: row.session_id,
      workId: row.id,
      workerId: row.worker_id,
      tokenHash: secretHash(key),
    };
  }
  return undefined;
}
