import type { Database, Statement } from "../../db/database.ts";
import { conflict, invalid } from "../../protocol/errors.ts";
import { newId } from "../../protocol/ids.ts";
import type { Skill, SkillVersion } from "../../protocol/skills.ts";
import type { SkillContents } from "./contents.ts";
import { skillNotFound } from "./read.ts";
import { type SkillRow, type SkillVersionRow, toSkill, toVersion } from "./row.ts";

// The contents first, in one order: from then on nobody lets go of them, and nobody waits for another in a circle. $1 is what
// they are, $2 the archive's.
const named = `files as materialized (
  select * from json_to_recordset($1::json) as f (path text, sha256 text, bytes bigint, executable boolean)
), contents as materialized (
  select b.sha256 from blob b where b.sha256 = $2 or b.sha256 in (select sha256 from files)
  order by b.sha256 for no key update
), renewed as (
  update blob b set used_at = greatest(b.used_at, drover_now()) from contents c where b.sha256 = c.sha256
)`;

// A version is newer than those before it, whatever the clock says.
const versioned = (skill: string) => `version as (
  insert into skill_version (workspace_id, id, skill_id, description, archive_sha256, created_at)
  select s.workspace_id, $3, s.id, $4, $2, s.updated_at from ${skill} s where exists (select from contents)
  returning id, skill_id, description, created_at
), written as (
  insert into skill_file (version_id, path, sha256, bytes, executable)
  select v.id, f.path, f.sha256, f.bytes, f.executable from version v, files f
)`;

const insert: Statement = {
  name: "skill_create",
  text: `
with ${named}, made as (
  insert into skill (workspace_id, id, slug, display_name, created_at, updated_at)
  select $5, $6, $7, $8, moment.at, moment.at from (select drover_now() as at offset 0) moment
  on conflict (workspace_id, slug) where deleted_at is null do nothing
  returning *
), ${versioned("made")}
select s.id, s.display_name, s.created_at, s.updated_at, v.id as latest_version_id from made s, version v`,
};

export async function createSkill(
  db: Database,
  workspaceId: string,
  { slug, ...contents }: SkillContents,
  displayName: string | undefined,
): Promise<Skill> {
  const values = [...valuesOf(contents), workspaceId, newId("skill"), slug, displayName || slug];
  const [row] = await db.query<SkillRow>(insert, values);
  if (!row)
    throw conflict(
      `SKILL.md: name: another skill is called "${slug}": upload this as a version of that one, or under another name`,
      { code: "skill_name_taken" },
    );
  return toSkill(row);
}

const insertVersion: Statement = {
  name: "skill_version_create",
  text: `
with ${named}, found as materialized (
  select * from skill where workspace_id = $5 and id = $6 and deleted_at is null for no key update
), moved as (
  update skill s set updated_at = greatest(drover_now(), s.updated_at + interval '1 microsecond')
  from found where s.id = found.id and s.slug = $7 returning s.*
), ${versioned("moved")}
select found.slug, v.id, v.skill_id, v.description, v.created_at from found left join version v on true`,
};

export async function createSkillVersion(
  db: Database,
  workspaceId: string,
  skillId: string,
  { slug, ...contents }: SkillContents,
): Promise<SkillVersion> {
  const values = [...valuesOf(contents), workspaceId, skillId, slug];
  const [row] = await db.query<SkillVersionRow | { id: null; slug: string }>(insertVersion, values);
  if (!row) throw skillNotFound(skillId);
  if (row.id === null)
    throw invalid(
      `SKILL.md: name: is "${slug}", but skill ${skillId} is called "${row.slug}" in all of its versions`,
    );
  return toVersion(row);
}

const valuesOf = ({ manifest, archive, description }: Omit<SkillContents, "slug">) => [
  JSON.stringify(manifest),
  archive.sha256,
  newId("skill_version"),
  description,
];
