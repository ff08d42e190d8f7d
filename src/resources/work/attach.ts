import type { Database, Statement } from "../../db/database.ts";
import { ApiError } from "../../protocol/errors.ts";
import type { Principal } from "../../protocol/principal.ts";

const attach: Statement = {
  name: "work_attach",
  text: `
update work_item set attached_at = coalesce(attached_at, drover_now()), seen_at = drover_now()
where session_id = $1 and environment_id = $2 and state in ('starting', 'active', 'stopping')
  and ($3::text is null or id = $3 and token_hash = $4)
returning id`,
};

/**
 * A worker is about to read the session's events: from now on it may begin what is asked of it. One that has lost its work
 * since it was let in must not see what is open: that is for the next worker.
 */
export async function noteReading(db: Database, principal: Principal, sessionId: string): Promise<void> {
  if (principal.kind === "api_key") return;
  const token = principal.kind === "work_token" ? principal : null;
  const values = [sessionId, principal.environmentId, token?.workId ?? null, token?.tokenHash ?? null];
  const [item] = await db.query(attach, values);
  if (!item && token) {
    throw new ApiError(
      "permission_error",
      `work ${token.workId} is not yours any more: it has stopped, or went back to the queue`,
    );
  }
}
