import { createHash, randomBytes } from "node:crypto";
import type { Database, Statement } from "../db/database.ts";
import { limits } from "../limits.ts";
import type {
  CreatedEnvironmentKey,
  CreateEnvironmentKey,
  EnvironmentKey,
  ListEnvironmentKeys,
} from "../protocol/environment-keys.ts";
import { invalid, notFound } from "../protocol/errors.ts";
import { newId } from "../protocol/ids.ts";
import { decodeCursor, type Page, pageFrom, timePosition } from "../protocol/page.ts";

/** What an environment key and a work token begin with, so that either is known for what it is where it turns up. */
export const environmentKeyPrefix = "drover-env-";
export const workTokenPrefix = "drover-work-";

export const newSecret = (prefix: string): string => `${prefix}${randomBytes(32).toString("base64url")}`;

/** Such a secret has 256 random bits: nothing slower is needed to keep it from whoever reads the database. */
export const secretHash = (secret: string): string =>
  createHash("sha256").update(secret, "utf8").digest("hex");

type KeyRow = Omit<EnvironmentKey, "type">;

const keyFrom = ({ id, ...row }: KeyRow): EnvironmentKey => ({ id, type: "environment_key", ...row });

const columns = "k.id, k.environment_id, k.name, k.created_at, k.last_used_at";

const insertOne: Statement = {
  name: "environment_key_insert",
  text: `
with env as (
  select id, config ->> 'type' as type, archived_at,
    (select count(*) from environment_key k where k.environment_id = e.id and k.revoked_at is null) as keys
  from environment e where id = $2 and workspace_id = $1 for share of e
), made as (
  insert into environment_key as k (workspace_id, id, environment_id, name, hash, created_at)
  select $1, $3, env.id, $4, $5, drover_now() from env
  where type = 'self_hosted' and archived_at is null and keys < $6
  returning ${columns}
)
select env.type, env.archived_at is not null as is_archived, made.* from env left join made on true`,
};

type Inserted = { type: string; is_archived: boolean } & (KeyRow | { id: null });

/** The one answer that has the key itself. */
export async function createEnvironmentKey(
  db: Database,
  workspaceId: string,
  environmentId: string,
  { name }: CreateEnvironmentKey,
): Promise<CreatedEnvironmentKey> {
  const key = newSecret(environmentKeyPrefix);
  const [row] = await db.query<Inserted>(insertOne, [
    workspaceId,
    environmentId,
    newId("environment_key"),
    name ?? null,
    secretHash(key),
    limits.environment_keys_max,
  ]);
  if (!row) throw notFound(`environment ${environmentId} not found`);
  const { type, is_archived, ...made } = row;
  if (type !== "self_hosted")
    throw invalid(
      `environment ${environmentId} is not self_hosted: only such ones have workers, and keys for them`,
    );
  if (is_archived) {
    throw invalid(`environment ${environmentId} is archived: it gets no new keys`, {
      code: "environment_archived",
    });
  }
  if (made.id === null) {
    throw invalid(
      `environment ${environmentId} has ${limits.environment_keys_max} keys, which is the most: revoke one first`,
    );
  }
  return { ...keyFrom(made), key };
}

const selectPage: Statement = {
  name: "environment_key_page",
  text: `
with env as (select id from environment where id = $2 and workspace_id = $1)
select env.id as found, k.* from env left join lateral (
  select ${columns} from environment_key k
  where k.environment_id = env.id and k.revoked_at is null and (k.created_at, k.id) < ($3::timestamptz, $4)
  order by k.created_at desc, k.id desc limit $5) k on true`,
};

/** Those that are in force, newest first. */
export async function listEnvironmentKeys(
  db: Database,
  workspaceId: string,
  environmentId: string,
  query: ListEnvironmentKeys,
): Promise<Page<EnvironmentKey>> {
  const scope = { list: `environment_keys ${environmentId}`, order: "desc" } as const;
  const after = decodeCursor(query.page, scope, timePosition)?.position;
  const rows = await db.query<{ found: string } & (KeyRow | { id: null })>(selectPage, [
    workspaceId,
    environmentId,
    after?.at ?? "infinity",
    after?.id ?? "",
    query.limit + 1,
  ]);
  if (rows.length === 0) throw notFound(`environment ${environmentId} not found`);
  const keys = rows.flatMap(({ found: _, ...row }) => (row.id === null ? [] : [row]));
  return pageFrom(keys, query.limit, scope, ({ created_at, id }) => ({ at: created_at, id }), keyFrom);
}

const revokeOne: Statement = {
  name: "environment_key_revoke",
  text: `update environment_key set revoked_at = coalesce(revoked_at, drover_now())
    where workspace_id = $1 and environment_id = $2 and id = $3 returning id`,
};

/** From now on neither it nor the work tokens that were given out for it are taken. */
export async function revokeEnvironmentKey(
  db: Database,
  workspaceId: string,
  environmentId: string,
  id: string,
): Promise<{ id: string; type: "environment_key_deleted" }> {
  const [row] = await db.query<{ id: string }>(revokeOne, [workspaceId, environmentId, id]);
  if (!row) throw notFound(`environment key ${id} not found`);
  return { id, type: "environment_key_deleted" };
}
