import type { Database, Statement } from "../../db/database.ts";

/** Of all workspaces. */
export interface Exposure {
  /** Variables that may go to any host, in vaults of sessions whose environment lets every host through. */
  unlimited: number;
  /** Sessions whose sandboxes have had something of credentials. */
  sessions: number;
}

const count: Statement = {
  name: "credential_exposure",
  text: `
select
  (select count(*)::int from credential c where c.archived_at is null
    and c.auth ->> 'type' = 'environment_variable' and c.auth -> 'networking' ->> 'type' = 'unrestricted'
    and exists (select from session s where s.workspace_id = c.workspace_id and c.vault_id = any (s.vault_ids)
      and s.archived_at is null and s.environment_config -> 'networking' ->> 'type' = 'unrestricted')) as unlimited,
  (select count(*)::int from session_pass p join session s on s.id = p.session_id
    where s.archived_at is null) as sessions`,
};

/** It reads all sessions: for people who ask, not for requests. */
export async function countExposure(db: Database): Promise<Exposure> {
  const [row] = await db.query<Exposure>(count, []);
  return row ?? { unlimited: 0, sessions: 0 };
}
