import type { Database, Statement } from "../../db/database.ts";
import type { MountList } from "../../hands/wire.ts";
import { skillsFolder } from "../../protocol/skills.ts";
import { sessionNotFound } from "./read.ts";

// The version and what it stands for, as of one moment.
const list: Statement = {
  name: "session_mounts",
  text: `
select s.mounts_version as version,
  coalesce((
    select json_agg(json_build_object('path', m.path, 'sha256', m.sha256, 'bytes', m.bytes, 'executable', m.executable)
      order by m.path collate "C")
    from (
      select r.mount_path as path, f.sha256, f.size_bytes as bytes, false as executable
      from session_resource r join file f on f.id = r.file_id
      where r.session_id = s.id and f.sha256 is not null
      union all
      select '${skillsFolder}/' || k.slug || '/' || f.path, f.sha256, f.bytes, f.executable
      from session_skill p join skill k on k.id = p.skill_id join skill_file f on f.version_id = p.version_id
      where p.session_id = s.id) m), '[]') as mounts
from session s where s.id = $1`,
};

/** All that is mounted into a session's sandbox. */
export async function listMounts(db: Database, sessionId: string): Promise<MountList> {
  const [row] = await db.query<MountList>(list, [sessionId]);
  if (!row) throw sessionNotFound(sessionId);
  return row;
}
