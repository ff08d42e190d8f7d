import type { Database, Statement } from "../../db/database.ts";
import { limits } from "../../limits.ts";
import type { Skill as AgentSkill } from "../../protocol/agents.ts";
import { type ApiError, invalid, notFound } from "../../protocol/errors.ts";
import { latestVersion } from "../../protocol/skills.ts";

/** A version that a session has from when it is made, whatever becomes of the skill. */
export interface Pin {
  skill_id: string;
  version_id: string;
}

interface Wanted {
  /** Where the agent's list has it, for errors. */
  path: string;
  skill_id: string;
  version: string;
}

interface FoundRow {
  place: number;
  found: boolean;
  version_id: string | null;
}

const find: Statement = {
  name: "skills_wanted",
  text: `
select w.place, s.id is not null as found, v.id as version_id
from rows from (json_to_recordset($2::json) as (skill_id text, version text)) with ordinality as w (skill_id, version, place)
left join skill s on s.id = w.skill_id and s.workspace_id = $1 and s.deleted_at is null
left join lateral (
  select v.id from skill_version v
  where v.skill_id = s.id and v.deleted_at is null and (w.version = '${latestVersion}' or v.id = w.version)
  order by v.created_at desc, v.id desc limit 1) v on true
order by w.place`,
};

/** What the agents of a session that is to be made refer to, each skill once. `path` is where an agent stands in the request. */
export async function pinsFor(
  db: Database,
  workspaceId: string,
  agents: readonly { path: string; skills: readonly AgentSkill[] }[],
): Promise<Pin[]> {
  const wanted = agents.flatMap(({ path, skills }) =>
    skills.map((skill, i) => wantedOf(skill, `${path}.skills.${i}`)),
  );
  if (wanted.length === 0) return [];
  const rows = await db.query<FoundRow>(find, [workspaceId, JSON.stringify(wanted)]);
  const pins = new Map<string, string>();
  for (const [i, { path, skill_id, version }] of wanted.entries()) {
    const row = rows[i];
    if (!row?.found) throw notFound(`${path}.skill_id: skill ${skill_id} not found`);
    if (row.version_id === null)
      throw notFound(`${path}.version: skill ${skill_id} has no version ${version}`);
    const other = pins.get(skill_id) ?? row.version_id;
    if (other !== row.version_id)
      throw invalid(
        `${path}.version: is ${row.version_id}, but another agent of the session has ${skill_id} in version ${other}: a session holds each skill once`,
      );
    pins.set(skill_id, row.version_id);
  }
  if (pins.size > limits.session_skills_max)
    throw invalid(
      `agent.skills: a session may have ${limits.session_skills_max} skills, of all its agents together`,
    );
  return [...pins].map(([skill_id, version_id]) => ({ skill_id, version_id }));
}

function wantedOf({ type, skill_id, version }: AgentSkill, path: string): Wanted {
  if (type === "anthropic") throw notAvailable(path, skill_id);
  return { path, skill_id, version };
}

const notAvailable = (path: string, skillId: string): ApiError =>
  invalid(
    `${path}: Anthropic's skill "${skillId.slice(0, 64)}" is not on this server: upload one of your own with POST /v1/skills, and refer to it as custom`,
  );
