import type { Database, Statement } from "../db/database.ts";
import { failpoint } from "../failpoints.ts";
import type { Placement } from "../hands/placement.ts";
import { limits } from "../limits.ts";
import type { Checkout } from "../protocol/session-resources.ts";
import { readerVersion } from "./entry.ts";

/** A session that this process may act on until another epoch begins. */
export interface Lease {
  workspace_id: string;
  session_id: string;
  owner: number;
  epoch: number;
  /** The agent as the session runs it. */
  agent: unknown;
  /** The configuration of its environment, as it was when the session was created. */
  environment: unknown;
  /** What it has of skills, by their names. */
  skills: { skill_id: string; name: string; description: string }[];
  /** What it was given of repositories, in their order. */
  repositories: {
    id: string;
    url: string;
    mount_path: string;
    checkout: Checkout | null;
    updated_at: string;
  }[];
  /** It has vaults, or a repository with a token. */
  has_credentials: boolean;
  /** Its environment variables of vaults that are for certain hosts, where its environment lets certain hosts through. */
  limited_variables: { credential_id: string; vault_id: string; name: string; hosts: string[] }[];
  /** Of what is mounted into its sandbox. */
  mounts_version: number;
  /** What the log says up to here is in the entry behind it. */
  fold_from: number;
  /** Of the session's budget; null is none. */
  budget_cents: number | null;
  /** Which host has its sandbox; null before its first use. */
  placement: Placement | null;
  /** The database's time at the claim, in `ms` since 1970. */
  claimed_at_ms: number;
}

/** As the index has it that claims look into. */
const free = "runnable_at is not null and lease_owner is null";

/** The workspaces with something to do: one look into the index for each, however much it has. */
const waiting = `
waiting as (
  (select workspace_id from session_head where ${free} order by workspace_id limit 1)
  union all
  select (select h.workspace_id from session_head h where ${free} and h.workspace_id > w.workspace_id
    order by h.workspace_id limit 1)
  from waiting w where w.workspace_id is not null
)`;

/** No session waits for so long: what is due so far off was written before the clock went back. */
const farOff = `runnable_at > drover_now() + ${limits.session_wait_ms_max} * interval '1 millisecond'`;

/** Since when `time` is, less than the given `ms` ago; a time of the future is of a clock that has gone back. */
const within = (time: string, ms: string) => `abs(extract(epoch from drover_now() - ${time})) * 1000 < ${ms}`;

/**
 * Its sandbox is at a host that `own` has never met, and that a brain has reached not long ago: that brain is to take it. Who
 * has just begun waits for the others to say what they reach. The offset keeps the plan to one look for each session.
 */
const isElsewhere = ({ own, hosts, gone_ms }: Record<"own" | "hosts" | "gone_ms", string>) => `exists (
      select from placement p join sandbox_host s using (host_id) join process o on o.id = ${own}
      where p.session_id = h.session_id and p.host_id <> all(${hosts}::text[])
        and (${within("s.reached_at", gone_ms)} or ${within("o.started_at", gone_ms)})
      offset 0)`;

// The candidates are more than are taken: others claim at the same time, and skip what is locked.
const claimStatement: Statement = {
  name: "claim",
  text: `
with recursive ${waiting}, candidates as materialized (
  select c.session_id, c.runnable_at, row_number() over (partition by w.workspace_id order by c.runnable_at) as turn
  from waiting w cross join lateral (
    (select session_id, runnable_at from session_head h
    where ${free} and workspace_id = w.workspace_id and runnable_at <= drover_now() and needs_reader <= $3
      and not ${isElsewhere({ own: "$1", hosts: "$5", gone_ms: "$6" })}
    order by runnable_at limit 4 * $2)
    union all
    (select session_id, runnable_at from session_head h
    where ${free} and workspace_id = w.workspace_id and ${farOff} and needs_reader <= $3
      and not ${isElsewhere({ own: "$1", hosts: "$5", gone_ms: "$6" })}
    order by runnable_at limit 4 * $2)) c
  where w.workspace_id <> all($4::text[])
), due as (
  select h.session_id from candidates c join session_head h using (session_id)
  where (h.runnable_at <= drover_now() or h.${farOff}) and h.lease_owner is null and exists (select from process where id = $1)
  order by c.turn, c.runnable_at limit $2
  for no key update of h skip locked
)
update session_head h set lease_owner = $1, lease_epoch = h.lease_epoch + 1
from due join session s on s.id = due.session_id
where h.session_id = due.session_id
returning h.workspace_id, h.session_id, s.agent, s.environment_config as environment, h.budget_cents, h.fold_from, h.lease_epoch as epoch,
  s.mounts_version, coalesce((
    select json_agg(json_build_object('skill_id', k.id, 'name', k.slug, 'description', v.description) order by k.slug collate "C")
    from session_skill p join skill k on k.id = p.skill_id join skill_version v on v.id = p.version_id
    where p.session_id = h.session_id), '[]') as skills,
  coalesce((select json_agg(json_build_object('id', r.id, 'url', r.url, 'mount_path', r.mount_path, 'checkout', r.checkout,
      'updated_at', r.updated_at) order by r.position)
    from session_resource r where r.session_id = h.session_id and r.type = 'github_repository'), '[]') as repositories, placement_of(h.session_id) as placement,
  (cardinality(s.vault_ids) > 0 or exists (select from session_resource r
    where r.session_id = h.session_id and r.type = 'github_repository' and r.token is not null)) as has_credentials,
  case when cardinality(s.vault_ids) > 0 and s.environment_config -> 'networking' ->> 'type' = 'limited' then coalesce((
    select json_agg(variable) from (
      select distinct on (c.key) c.id as credential_id, c.vault_id, c.auth ->> 'secret_name' as name,
        c.auth -> 'networking' -> 'allowed_hosts' as hosts, c.auth -> 'networking' ->> 'type' as networking
      from unnest(s.vault_ids) with ordinality as v (id, n)
      join credential c on c.vault_id = v.id and c.workspace_id = s.workspace_id and c.archived_at is null
      where c.auth ->> 'type' = 'environment_variable' order by c.key, v.n) variable
    where networking = 'limited'), '[]') else '[]' end as limited_variables,
  (extract(epoch from drover_now()) * 1000)::bigint as claimed_at_ms`,
};

export interface ClaimOptions {
  except?: readonly string[];
  hosts?: MetHosts;
}

/** The sandbox hosts that a process has met, and after how long without a word of one it is gone. */
export interface MetHosts {
  met: readonly string[];
  gone_ms: number;
}

const noHosts: MetHosts = { met: [], gone_ms: 0 };

/**
 * Takes sessions that wait for a brain: of each workspace in turn the longest waiting, so that none has to wait for all of
 * another one's. `except`: workspaces that have had their share.
 */
export async function claim(
  db: Database,
  owner: number,
  count: number,
  { except = [], hosts = noHosts }: ClaimOptions = {},
): Promise<Lease[]> {
  const rows = await db.query<Omit<Lease, "owner">>(claimStatement, [
    owner,
    count,
    readerVersion,
    except,
    hosts.met,
    hosts.gone_ms,
  ]);
  if (rows.length > 0) failpoint("claimed");
  return rows.map((row) => ({ ...row, owner }));
}

const nextDueStatement: Statement = {
  name: "next_due",
  text: `
with recursive ${waiting}
select (extract(epoch from min(next.runnable_at) - drover_now()) * 1000)::bigint as ms
from waiting w cross join lateral (
  select runnable_at from session_head h
  where ${free} and workspace_id = w.workspace_id and needs_reader <= $1
    and not ${isElsewhere({ own: "$3", hosts: "$4", gone_ms: "$5" })}
  order by runnable_at limit 1) next
where w.workspace_id <> all($2::text[])`,
};

/** Time until a session is due that `claim` would take, in `ms`; null when none waits for a time. */
export async function nextDue(
  db: Database,
  owner: number,
  { except = [], hosts = noHosts }: ClaimOptions = {},
): Promise<number | null> {
  const [row] = await db.query<{ ms: number | null }>(nextDueStatement, [
    readerVersion,
    except,
    owner,
    hosts.met,
    hosts.gone_ms,
  ]);
  return row?.ms ?? null;
}

// The heads are locked in id order, as by every append.
const reapStatement: Statement = {
  name: "reap",
  text: `
with dead as (
  delete from process p
  where p.id is distinct from $3 and (p.beat_at < drover_now() - $2 * interval '1 millisecond'
    or p.beat_at > drover_now() + $2 * interval '1 millisecond'
    or not exists (
      select from pg_locks l
      where l.locktype = 'advisory' and l.database = (select oid from pg_database where datname = current_database())
        and l.classid::bigint = $1::int and l.objid::bigint = p.id and l.granted))
  returning id
), held as materialized (
  select h.session_id from session_head h
  where h.lease_owner is not null
    and (h.lease_owner in (select id from dead) or not exists (select from process p where p.id = h.lease_owner))
  order by h.session_id for no key update of h
)
update session_head h set lease_owner = null, runnable_at = coalesce(h.runnable_at, drover_now())
from held where h.session_id = held.session_id
returning h.session_id`,
};

/** Class of the advisory locks that processes hold. */
export const processLockClass = 0x44_52_4f;

/**
 * Frees the sessions of processes that have died, are cut off or have stopped beating. A beat of the future is no beat: the
 * clock has gone back, and who is alive beats again. Whether `own` is alive is for the others to say.
 */
export async function reap(db: Database, own: number | null): Promise<string[]> {
  const rows = await db.query<{ session_id: string }>(reapStatement, [
    processLockClass,
    limits.process_dead_ms,
    own,
  ]);
  return rows.map((row) => row.session_id);
}

const releaseStatement: Statement = {
  name: "release",
  text: `update session_head set lease_owner = null, runnable_at = drover_now() + $4 * interval '1 millisecond'
    where session_id = $1 and lease_owner = $2 and lease_epoch = $3`,
};

/** Gives a session back without a word in its log, to be looked at again after `after_ms`. */
export async function release(db: Database, lease: Lease, afterMs: number): Promise<void> {
  await db.query(releaseStatement, [lease.session_id, lease.owner, lease.epoch, afterMs]);
}
