import { randomUUID } from "node:crypto";
import type { Database, Statement } from "../../db/database.ts";
import { limits } from "../../limits.ts";

/** One version of the secret of a credential: a refresh makes the next one of it. */
export interface SecretAt {
  workspace_id: string;
  credential_id: string;
  secret_version: number;
}

/** The right to refresh it, which one has at a time. That of a process that has died runs out. */
export interface RefreshTurn extends SecretAt {
  refresher: string;
  auth: unknown;
  /** Sealed. */
  secret: string;
}

export type TurnAnswer =
  | { do: "refresh"; turn: RefreshTurn }
  /** There is a newer secret. */
  | { do: "look" }
  /** Somebody else refreshes it. */
  | { do: "wait" }
  /** It has just failed, and is not tried again yet. */
  | { do: "rest"; why: string }
  /** There is no such credential, or not any more. */
  | { do: "leave" };

const take: Statement = {
  name: "refresh_turn_take",
  text: `
with found as materialized (
  select *, refresh_failed_version = secret_version and refresh_rest_until > drover_now() as rests
  from credential where workspace_id = $1 and id = $2 and archived_at is null and secret is not null for no key update
), taken as (
  update credential c set refresher = $4, refresh_until = drover_now() + $5 * interval '1 millisecond'
  from found where c.id = found.id and found.secret_version = $3 and (not coalesce(found.rests, false) or $6)
    and (found.refresher is null or found.refresh_until <= drover_now())
  returning c.id
)
select secret_version, auth, secret, case when rests then refresh_failure end as failure,
  exists (select from taken) as taken from found`,
};

interface Taken {
  secret_version: number;
  auth: unknown;
  secret: string;
  failure: string | null;
  taken: boolean;
}

/** `anyhow`: also where it has just failed. */
export async function takeRefreshTurn(
  db: Database,
  at: SecretAt,
  { anyhow }: { anyhow: boolean },
): Promise<TurnAnswer> {
  const refresher = randomUUID();
  const { workspace_id, credential_id, secret_version } = at;
  const values = [workspace_id, credential_id, secret_version, refresher, limits.oauth_turn_ms, anyhow];
  const [row] = await db.query<Taken>(take, values);
  if (!row) return { do: "leave" };
  if (row.secret_version !== secret_version) return { do: "look" };
  if (row.taken) return { do: "refresh", turn: { ...at, refresher, auth: row.auth, secret: row.secret } };
  return row.failure === null || anyhow ? { do: "wait" } : { do: "rest", why: row.failure };
}

// Fenced by the version alone. Whoever comes late with new tokens may have lost the turn to somebody for whom the old refresh
// token is not good any more: then these are the only ones there are.
const write: Statement = {
  name: "refresh_write",
  text: `
with written as (
  update credential set secret = $3, secret_version = secret_version + 1,
    auth = jsonb_set(auth::jsonb, '{expires_at}', coalesce(
      to_jsonb(to_char(drover_now() + $4 * interval '1 millisecond', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')), 'null'))::json,
    refresher = null, refresh_until = null,
    refresh_failures = 0, refresh_failed_version = null, refresh_failure = null, refresh_rest_until = null,
    updated_at = greatest(drover_now(), updated_at + interval '1 microsecond')
  where id = $1 and secret_version = $2 and archived_at is null
  returning id
)
select exists (select from written) or exists (select from credential where id = $1 and secret = $3) as written`,
};

/**
 * The new secret, sealed, which lasts so long from now; null where nobody knows. False when the credential was changed, archived
 * or deleted meanwhile, or refreshed by somebody else: that wins. It may be repeated when nobody knows whether it was done.
 */
export async function writeRefreshed(
  db: Database,
  at: SecretAt,
  { secret, expires_in_ms }: { secret: string; expires_in_ms: number | null },
): Promise<boolean> {
  const values = [at.credential_id, at.secret_version, secret, expires_in_ms];
  const [row] = await db.query<{ written: boolean }>(write, values);
  return row?.written ?? false;
}

const read: Statement = {
  name: "refresh_read",
  text: "select secret_version, secret from credential where workspace_id = $1 and id = $2 and archived_at is null and secret is not null",
};

/** As it is by now; null where it is gone. */
export async function readSecret(
  db: Database,
  { workspace_id, credential_id }: SecretAt,
): Promise<{ at: SecretAt; secret: string } | null> {
  const [row] = await db.query<{ secret_version: number; secret: string }>(read, [
    workspace_id,
    credential_id,
  ]);
  if (!row) return null;
  return { at: { workspace_id, credential_id, secret_version: row.secret_version }, secret: row.secret };
}

const replace: Statement = {
  name: "refresh_replace",
  text: `
update credential set secret = $3, secret_version = secret_version + 1,
  updated_at = greatest(drover_now(), updated_at + interval '1 microsecond')
where id = $1 and secret_version = $2 and archived_at is null returning id`,
};

/** Another secret, whose access token is the one that was. False when it was changed meanwhile. */
export async function replaceSecret(db: Database, at: SecretAt, secret: string): Promise<boolean> {
  return (await db.query(replace, [at.credential_id, at.secret_version, secret])).length > 0;
}

// Where the endpoint itself has said how long, not before that.
const fail: Statement = {
  name: "refresh_fail",
  text: `
update credential set refresher = null, refresh_until = null, refresh_failure = $4, refresh_failed_version = secret_version,
  refresh_failures = case when refresh_failed_version = secret_version then least(refresh_failures, 30) + 1 else 1 end,
  refresh_rest_until = drover_now() + interval '1 millisecond' * greatest($6::float8, case when $5 then ${limits.oauth_rest_refused_ms}
    when refresh_failed_version = secret_version
      then least(${limits.oauth_rest_first_ms} * 2 ^ least(refresh_failures, 30), ${limits.oauth_rest_ms_max})
    else ${limits.oauth_rest_first_ms} end)
where id = $1 and refresher = $2 and secret_version = $3`,
};

/** Ends the turn, and has nobody try again for a while. */
export async function failRefresh(
  db: Database,
  turn: RefreshTurn,
  { why, is_refusal, retry_after_ms }: { why: string; is_refusal: boolean; retry_after_ms: number | null },
): Promise<void> {
  const asked_ms = Math.min(retry_after_ms ?? 0, limits.oauth_rest_asked_ms_max);
  const values = [turn.credential_id, turn.refresher, turn.secret_version, why, is_refusal, asked_ms];
  await db.query(fail, values);
}

const end: Statement = {
  name: "refresh_turn_end",
  text: "update credential set refresher = null, refresh_until = null where id = $1 and refresher = $2",
};

/** One that cannot be ended runs out. */
export async function endRefreshTurn(db: Database, turn: RefreshTurn): Promise<void> {
  await db.query(end, [turn.credential_id, turn.refresher]).catch(() => {});
}
