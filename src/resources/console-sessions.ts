import type { Database, Statement } from "../db/database.ts";
import { limits } from "../limits.ts";
import type { Principal } from "../protocol/principal.ts";
import { newSecret, secretHash } from "./environment-keys.ts";

/** What the token in the cookie of a browser begins with. */
export const consoleTokenPrefix = "drover-console-";

const over = `(used_at < drover_now() - ${limits.console_idle_ms} * interval '1 millisecond'
    or created_at < drover_now() - ${limits.console_ms_max} * interval '1 millisecond')`;

const begin: Statement = {
  name: "console_session_begin",
  text: `
with swept as (
  delete from console_session where token_hash in (
    select token_hash from console_session where ${over} order by used_at limit ${limits.console_sweep_batch_max}
    for update skip locked)
)
insert into console_session (workspace_id, token_hash, key_id, created_at, used_at)
values ($1, $2, $3, drover_now(), drover_now())
returning created_at + ${limits.console_ms_max} * interval '1 millisecond' as expires_at`,
};

const find: Statement = {
  name: "console_session_find",
  text: `
with noted as (
  update console_session set used_at = drover_now()
  where token_hash = $1 and not ${over} and used_at < drover_now() - ${limits.console_noted_ms} * interval '1 millisecond'
)
select workspace_id, key_id from console_session where token_hash = $1 and not ${over}`,
};

// As `find`; but nobody has asked for anything.
const look: Statement = {
  name: "console_session_look",
  text: `select workspace_id, key_id from console_session where token_hash = $1 and not ${over}`,
};

const end: Statement = {
  name: "console_session_end",
  text: "delete from console_session where token_hash = $1",
};

/** Signs in whoever has shown an API key. The token is in this answer alone. */
export async function beginConsoleSession(
  db: Database,
  { workspaceId, id }: Principal,
): Promise<{ token: string; expires_at: string }> {
  const token = newSecret(consoleTokenPrefix);
  const [row] = await db.query<{ expires_at: string }>(begin, [workspaceId, secretHash(token), id]);
  if (!row) throw new Error("a sign-in has no row");
  return { token, expires_at: row.expires_at };
}

/** Who has signed in with it; undefined when it is over, or its key is none any more. */
export async function consolePrincipal(
  db: Database,
  token: string,
  isKey: (id: string, workspaceId: string) => boolean,
): Promise<Principal | undefined> {
  if (!token.startsWith(consoleTokenPrefix)) return undefined;
  const [row] = await db.query<{ workspace_id: string; key_id: string }>(find, [secretHash(token)]);
  if (!row || !isKey(row.key_id, row.workspace_id)) return undefined;
  return { kind: "api_key", id: row.key_id, workspaceId: row.workspace_id };
}

/** Whether a token that was taken would be taken still. It is no request: it does not put off the end. */
export async function isStillSignedIn(
  db: Database,
  token: string,
  isKey: (id: string, workspaceId: string) => boolean,
): Promise<boolean> {
  const [row] = await db.query<{ workspace_id: string; key_id: string }>(look, [secretHash(token)]);
  return row !== undefined && isKey(row.key_id, row.workspace_id);
}

export async function endConsoleSession(db: Database, token: string): Promise<void> {
  await db.query(end, [secretHash(token)]);
}
