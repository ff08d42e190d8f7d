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

// Of several tokens that are in force the newest.
const find: Statement = {
  name: "console_session_find",
  text: `
with found as (
  select token_hash, workspace_id, key_id from console_session where token_hash = any($1) and not ${over}
  order by created_at desc limit 1
), noted as (
  update console_session set used_at = drover_now()
  where token_hash = (select token_hash from found)
    and used_at < drover_now() - ${limits.console_noted_ms} * interval '1 millisecond'
)
select workspace_id, key_id from found`,
};

// As `find`; but nobody has asked for anything.
const look: Statement = {
  name: "console_session_look",
  text: `select workspace_id, key_id from console_session where token_hash = any($1) and not ${over}
    order by created_at desc limit 1`,
};

const end: Statement = {
  name: "console_session_end",
  text: "delete from console_session where token_hash = any($1)",
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

interface Row {
  workspace_id: string;
  key_id: string;
}

/** Who has signed in with one of these tokens; undefined when that is over, or its key is none any more. */
export async function consolePrincipal(
  db: Database,
  tokens: readonly string[],
  isKey: (id: string, workspaceId: string) => boolean,
): Promise<Principal | undefined> {
  const hashes = hashesOf(tokens);
  if (hashes.length === 0) return undefined;
  const [row] = await db.query<Row>(find, [hashes]);
  if (!row || !isKey(row.key_id, row.workspace_id)) return undefined;
  return { kind: "api_key", id: row.key_id, workspaceId: row.workspace_id };
}

/** Whether tokens that were taken would be taken still. It is no request: it does not put off the end. */
export async function isStillSignedIn(
  db: Database,
  tokens: readonly string[],
  isKey: (id: string, workspaceId: string) => boolean,
): Promise<boolean> {
  const [row] = await db.query<Row>(look, [hashesOf(tokens)]);
  return row !== undefined && isKey(row.key_id, row.workspace_id);
}

/** Those of other databases are not touched. */
export async function endConsoleSessions(db: Database, tokens: readonly string[]): Promise<void> {
  await db.query(end, [hashesOf(tokens)]);
}

const hashesOf = (tokens: readonly string[]) =>
  tokens.filter((token) => token.startsWith(consoleTokenPrefix)).map(secretHash);
