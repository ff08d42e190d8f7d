import { randomBytes } from "node:crypto";
import type { Database, Statement } from "../../db/database.ts";
import type { SandboxSpec } from "../../hands/wire.ts";
import { placeholderFor } from "../../vault/placeholder.ts";
import type { Seal } from "../../vault/seal.ts";
import {
  credentialPlace,
  credentialSecret,
  openAs,
  type PassSecret,
  passPlace,
  passSecret,
} from "../../vault/secrets.ts";

/** Large, and needed once for a session. */
export const loadAuthority = () => import("../../vault/authority.ts");

/** What a sandbox gets instead of its session's credentials. */
export type SandboxCredentials = NonNullable<SandboxSpec["credentials"]>;

interface Found {
  /** Null before there ever was a sandbox. */
  certificate: string | null;
  secret: string | null;
  variables: {
    credential_id: string;
    name: string;
    placeholder: string | null;
    /** Sealed; only where there is no placeholder. */
    secret: string | null;
  }[];
}

// Of several vaults that have a variable, the first one.
const find: Statement = {
  name: "session_pass_find",
  text: `
select p.certificate, p.secret, coalesce((
  select json_agg(variable) from (
    select distinct on (c.key) c.id as credential_id, c.auth ->> 'secret_name' as name, h.placeholder,
      case when h.placeholder is null then c.secret end as secret
    from unnest(s.vault_ids) with ordinality as v (id, n)
    join credential c on c.vault_id = v.id and c.workspace_id = s.workspace_id and c.archived_at is null
    left join session_placeholder h on h.session_id = s.id and h.credential_id = c.id
    where c.auth ->> 'type' = 'environment_variable'
    order by c.key, v.n) variable), '[]') as variables
from session s left join session_pass p on p.session_id = s.id
where s.workspace_id = $1 and s.id = $2`,
};

// Whoever comes first has made it; the others read what that was.
const make: Statement = {
  name: "session_pass_make",
  text: `
with pass as (
  insert into session_pass (workspace_id, session_id, certificate, secret, created_at)
  select $1, $2, $3, $4, drover_now() where $4::text is not null
  on conflict do nothing
)
insert into session_placeholder (workspace_id, session_id, credential_id, placeholder)
select $1, $2, n.credential_id, n.placeholder from unnest($5::text[], $6::text[]) as n (credential_id, placeholder)
on conflict do nothing`,
};

export interface PassParts {
  db: Database;
  seal: Seal;
  /** Told of what cannot be opened: it holds nothing of it. */
  trouble(message: string, error: unknown, sessionId: string): void;
}

/**
 * Of a session that has credentials: its pass, its authority's certificate and its placeholders, made where they are not yet.
 * All who ask get the same, at once or years later. Null when there is no such session. Throws where the pass cannot be opened.
 */
export async function sandboxCredentials(
  { db, seal, trouble }: PassParts,
  workspaceId: string,
  sessionId: string,
): Promise<SandboxCredentials | null> {
  const look = async () => (await db.query<Found>(find, [workspaceId, sessionId]))[0];
  let found = await look();
  if (found && (found.secret === null || found.variables.some(({ placeholder }) => placeholder === null))) {
    await add(found);
    found = await look();
  }
  if (!found?.secret || found.certificate === null) return null;
  const { pass } = await openPass(seal, workspaceId, sessionId, found.secret);
  // One that came to be in between is for the next sandbox.
  const known = found.variables.flatMap(({ name, placeholder }) =>
    placeholder === null ? [] : [[name, placeholder]],
  );
  return { pass, certificate: found.certificate, placeholders: Object.fromEntries(known) };

  async function add({ secret, variables }: Found): Promise<void> {
    const made = secret === null ? await newPass() : null;
    const fresh = variables.filter(({ placeholder }) => placeholder === null);
    await db.query(make, [
      workspaceId,
      sessionId,
      made?.certificate ?? null,
      made?.sealed ?? null,
      fresh.map(({ credential_id }) => credential_id),
      await Promise.all(fresh.map(async (each) => placeholderFor(await secretOf(each)))),
    ]);
  }

  async function newPass() {
    const { makeSessionAuthority } = await loadAuthority();
    const { certificate, private_key } = await makeSessionAuthority(sessionId, Date.now());
    const secret: PassSecret = { pass: randomBytes(32).toString("base64url"), private_key };
    return {
      certificate,
      sealed: await seal.seal(JSON.stringify(secret), passPlace(workspaceId, sessionId)),
    };
  }

  /** Empty where it cannot be opened: the placeholder then has no shape, and serves as well. */
  async function secretOf({ credential_id, secret }: Found["variables"][number]): Promise<string> {
    try {
      return await openVariable(seal, workspaceId, credential_id, secret ?? "");
    } catch (error) {
      trouble(`the secret of the credential ${credential_id} cannot be opened`, error, sessionId);
      return "";
    }
  }
}

export async function openPass(
  seal: Seal,
  workspaceId: string,
  sessionId: string,
  sealed: string,
): Promise<PassSecret> {
  return openAs(passSecret, seal, sealed, passPlace(workspaceId, sessionId));
}

/** What stands behind a placeholder. */
export async function openVariable(
  seal: Seal,
  workspaceId: string,
  credentialId: string,
  sealed: string,
): Promise<string> {
  const secret = await openAs(credentialSecret, seal, sealed, credentialPlace(workspaceId, credentialId));
  if (secret.type !== "environment_variable") throw new Error(`it is the secret of a ${secret.type}`);
  return secret.secret_value;
}
