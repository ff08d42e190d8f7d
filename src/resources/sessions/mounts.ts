import type { Database, Statement } from "../../db/database.ts";
import { sessionNotFound } from "./read.ts";

/** A file that the session's sandbox sees, read-only. */
interface Mount {
  path: string;
  sha256: string;
  bytes: number;
  executable: boolean;
}

// The version and what it stands for, as of one moment.
const list: Statement = {
  name: "session_mounts",
  text: `
select s.mounts_version as version,
  coalesce((
    select json_agg(json_build_object('path', r.mount_path, 'sha256', f.sha256, 'bytes', f.size_bytes, 'executable', false)
      order by r.position)
    from session_resource r join file f on f.id = r.file_id
    where r.session_id = s.id and f.sha256 is not null), '[]') as mounts
from session s where s.id = $1`,
};

/** All that is mounted into a session's sandbox. */
export async function listMounts(
  db: Database,
  sessionId: string,
): Promise<{ version: number; mounts: Mount[] }> {
  const [row] = await db.query<{ version: number; mounts: Mount[] }>(list, [sessionId]);
  if (!row) throw sessionNotFound(sessionId);
  return row;
}
