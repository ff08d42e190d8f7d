import type { Skill, SkillVersion } from "../../protocol/skills.ts";

export interface SkillRow {
  id: string;
  display_name: string;
  latest_version_id: string;
  created_at: string;
  updated_at: string;
}

/** The newest version of `skill s` that is not deleted: there always is one. */
const latest = `(select v.id from skill_version v where v.skill_id = s.id and v.deleted_at is null
  order by v.created_at desc, v.id desc limit 1)`;

export const skillColumns = `s.id, s.display_name, s.created_at, s.updated_at, ${latest} as latest_version_id`;

export const toSkill = (row: SkillRow): Skill => ({
  id: row.id,
  type: "skill",
  display_name: row.display_name,
  latest_version_id: row.latest_version_id,
  source: { type: "custom" },
  created_at: row.created_at,
  updated_at: row.updated_at,
});

export interface SkillVersionRow {
  id: string;
  skill_id: string;
  slug: string;
  description: string;
  created_at: string;
}

/** Of `skill_version v join skill s`. */
export const versionColumns = "v.id, v.skill_id, s.slug, v.description, v.created_at";

export const toVersion = (row: SkillVersionRow): SkillVersion => ({
  id: row.id,
  type: "skill_version",
  skill_id: row.skill_id,
  name: row.slug,
  description: row.description,
  created_at: row.created_at,
});
