import type { Database, Statement } from "../../db/database.ts";
import { notFound } from "../../protocol/errors.ts";
import { decodeCursor, pageFrom, timePosition } from "../../protocol/page.ts";
import {
  type ListSkills,
  type ListSkillVersions,
  latestVersion,
  type Skill,
  type SkillVersion,
} from "../../protocol/skills.ts";
import {
  type SkillRow,
  type SkillVersionRow,
  skillColumns,
  toSkill,
  toVersion,
  versionColumns,
} from "./row.ts";

export const skillNotFound = (id: string) => notFound(`skill ${id} not found`);
export const versionNotFound = (id: string, version: string) =>
  notFound(`skill ${id} has no version ${version.slice(0, 100)}`);

const get: Statement = {
  name: "skill_get",
  text: `select ${skillColumns} from skill s where s.workspace_id = $1 and s.id = $2 and s.deleted_at is null`,
};

export async function getSkill(db: Database, workspaceId: string, id: string): Promise<Skill> {
  const [row] = await db.query<SkillRow>(get, [workspaceId, id]);
  if (!row) throw skillNotFound(id);
  return toSkill(row);
}

const list: Statement = {
  name: "skill_list",
  text: `select ${skillColumns} from skill s
    where s.workspace_id = $1 and s.deleted_at is null and (s.created_at, s.id) < ($2::timestamptz, $3)
    order by s.created_at desc, s.id desc limit $4`,
};

const scope = { list: "skills", order: "desc" } as const;

/** All skills here are custom ones. */
export async function listSkills(db: Database, workspaceId: string, query: ListSkills) {
  const after = decodeCursor(query.page, scope, timePosition)?.position;
  const isNone = query.source !== undefined && query.source !== "custom";
  const values = [workspaceId, after?.at ?? "infinity", after?.id ?? "", query.limit + 1];
  const rows = isNone ? [] : await db.query<SkillRow>(list, values);
  return { ...pageFrom(rows, query.limit, scope, placeOf, toSkill), has_more: rows.length > query.limit };
}

const placeOf = (row: { created_at: string; id: string }) => ({ at: row.created_at, id: row.id });

/** A version, and the whole of it. */
export interface FoundVersion {
  version: SkillVersion;
  archive: { sha256: string; bytes: number };
}

type FoundRow = SkillVersionRow & { sha256: string; bytes: number };

const findVersion: Statement = {
  name: "skill_version_get",
  text: `select ${versionColumns}, b.sha256, b.bytes
    from skill s join skill_version v on v.skill_id = s.id join blob b on b.sha256 = v.archive_sha256
    where s.workspace_id = $1 and s.id = $2 and s.deleted_at is null and v.deleted_at is null
      and ($3 = '${latestVersion}' or v.id = $3)
    order by v.created_at desc, v.id desc limit 1`,
};

export async function getVersion(
  db: Database,
  workspaceId: string,
  skillId: string,
  version: string,
): Promise<FoundVersion> {
  const [row] = await db.query<FoundRow>(findVersion, [workspaceId, skillId, version]);
  if (row) return toFound(row);
  await getSkill(db, workspaceId, skillId);
  throw versionNotFound(skillId, version);
}

// Whatever has become of the skill: a session keeps what it was made with.
const findPinned: Statement = {
  name: "skill_version_pinned",
  text: `select ${versionColumns}, b.sha256, b.bytes
    from session_skill p join skill_version v on v.id = p.version_id join skill s on s.id = v.skill_id
      join blob b on b.sha256 = v.archive_sha256
    where p.session_id = $1 and p.skill_id = $2 and $3 in (v.id, '${latestVersion}')`,
};

/** For a worker that serves one session, and knows of no skills but those of that. */
export async function getPinnedVersion(
  db: Database,
  sessionId: string,
  skillId: string,
  version: string,
): Promise<FoundVersion> {
  const [row] = await db.query<FoundRow>(findPinned, [sessionId, skillId, version]);
  if (!row) throw versionNotFound(skillId, version);
  return toFound(row);
}

// What it serves sessions with: any of the skill's versions, and those that were deleted as far as its sessions have them.
const findServed: Statement = {
  name: "skill_version_served",
  text: `
with pins as materialized (
  select p.version_id from session_skill p join session n on n.id = p.session_id
  where p.skill_id = $2 and n.environment_id = $4
)
select ${versionColumns}, b.sha256, b.bytes
from skill s join skill_version v on v.skill_id = s.id join blob b on b.sha256 = v.archive_sha256
where s.workspace_id = $1 and s.id = $2 and exists (select from pins) and $3 in (v.id, '${latestVersion}')
  and (v.deleted_at is null or v.id in (select version_id from pins))
order by v.deleted_at is null desc, v.created_at desc, v.id desc limit 1`,
};

/** For the workers of an environment, which know of the skills of its sessions. */
export async function getServedVersion(
  db: Database,
  { workspaceId, environmentId }: { workspaceId: string; environmentId: string },
  skillId: string,
  version: string,
): Promise<FoundVersion> {
  const [row] = await db.query<FoundRow>(findServed, [workspaceId, skillId, version, environmentId]);
  if (!row) throw versionNotFound(skillId, version);
  return toFound(row);
}

const toFound = ({ sha256, bytes, ...row }: FoundRow): FoundVersion => ({
  version: toVersion(row),
  archive: { sha256, bytes },
});

const listVersionsStatement: Statement = {
  name: "skill_version_list",
  text: `select ${versionColumns} from skill s join skill_version v on v.skill_id = s.id
    where s.workspace_id = $1 and s.id = $2 and s.deleted_at is null and v.deleted_at is null
      and (v.created_at, v.id) < ($3::timestamptz, $4)
    order by v.created_at desc, v.id desc limit $5`,
};

export async function listVersions(
  db: Database,
  workspaceId: string,
  skillId: string,
  query: ListSkillVersions,
) {
  const scope = { list: `skills/${skillId}/versions`, order: "desc" } as const;
  const after = decodeCursor(query.page, scope, timePosition)?.position;
  const values = [workspaceId, skillId, after?.at ?? "infinity", after?.id ?? "", query.limit + 1];
  const rows = await db.query<SkillVersionRow>(listVersionsStatement, values);
  if (rows.length === 0) await getSkill(db, workspaceId, skillId);
  return { ...pageFrom(rows, query.limit, scope, placeOf, toVersion), has_more: rows.length > query.limit };
}
