import type { Database, Statement } from "../../db/database.ts";
import { limits } from "../../limits.ts";
import { invalid } from "../../protocol/errors.ts";
import { latestVersion } from "../../protocol/skills.ts";
import { skillNotFound, versionNotFound } from "./read.ts";

/** What is deleted is gone for clients, and for sessions yet to come. Those that have it keep it. */

const removeSkill: Statement = {
  name: "skill_delete",
  text: `
with gone as (
  update skill set deleted_at = drover_now() where workspace_id = $1 and id = $2 and deleted_at is null returning *
), versions as (
  update skill_version v set deleted_at = gone.deleted_at from gone where v.skill_id = gone.id and v.deleted_at is null
)
select id from gone`,
};

export async function deleteSkill(
  db: Database,
  workspaceId: string,
  id: string,
): Promise<{ id: string; type: "skill_deleted" }> {
  const [gone] = await db.query(removeSkill, [workspaceId, id]);
  if (!gone) throw skillNotFound(id);
  return { id, type: "skill_deleted" };
}

// Whoever adds or removes a version locks the skill first.
const removeVersion: Statement = {
  name: "skill_version_delete",
  text: `
with found as materialized (
  select * from skill where workspace_id = $1 and id = $2 and deleted_at is null for no key update
), versions as materialized (
  select v.* from found join skill_version v on v.skill_id = found.id where v.deleted_at is null
  order by v.created_at desc, v.id desc for no key update of v
), asked as materialized (
  select id from versions where id = $3 or $3 = '${latestVersion}'
  order by created_at desc, id desc limit 1
), gone as (
  update skill_version v set deleted_at = drover_now()
  from asked where v.id = asked.id and (select count(*) from versions) > 1 returning v.id
), moved as (
  update skill s set updated_at = greatest(drover_now(), s.updated_at + interval '1 microsecond')
  from found, gone where s.id = found.id
)
select asked.id, exists (select from gone) as gone from found left join asked on true`,
};

export async function deleteVersion(
  db: Database,
  workspaceId: string,
  skillId: string,
  version: string,
): Promise<{ id: string; type: "skill_version_deleted" }> {
  const values = [workspaceId, skillId, version];
  const [done] = await db.query<{ id: string | null; gone: boolean }>(removeVersion, values);
  if (!done) throw skillNotFound(skillId);
  if (done.id === null) throw versionNotFound(skillId, version);
  if (!done.gone)
    throw invalid(
      `${done.id} is the only version of skill ${skillId}: upload another one first, or delete the skill`,
    );
  return { id: done.id, type: "skill_version_deleted" };
}

const purge: Statement = {
  name: "skill_purge",
  text: `
with old as materialized (
  select v.id, v.skill_id from skill_version v
  where v.deleted_at <= drover_now() - $1 * interval '1 millisecond'
    and not exists (select from session_skill p where p.skill_id = v.skill_id and p.version_id = v.id)
  order by v.deleted_at limit $2 for update skip locked
), files as (
  delete from skill_file f using old where f.version_id = old.id
), versions as (
  delete from skill_version v using old where v.id = old.id
), skills as (
  delete from skill s using old where s.id = old.skill_id and s.deleted_at is not null
    and not exists (select from skill_version v where v.skill_id = s.id and v.id not in (select id from old))
)
select count(*) as purged from old`,
};

/** Takes what was deleted some time ago and what no session has any more. */
export async function sweepSkills(db: Database): Promise<void> {
  const most = limits.skills_sweep_batch_max;
  for (;;) {
    const [done] = await db.query<{ purged: number }>(purge, [limits.skill_deleted_kept_ms, most]);
    if ((done?.purged ?? 0) < most) return;
  }
}
