import { isDeepStrictEqual } from "node:util";
import type { Database, Statement } from "../../db/database.ts";
import { primaryThreadOf } from "../../log/thread-id.ts";
import { invalid } from "../../protocol/errors.ts";
import type { EventBody } from "../../protocol/events.ts";
import { newId } from "../../protocol/ids.ts";
import { patchedMetadata } from "../../protocol/metadata.ts";
import { type Session, type UpdateSession, updatedSessionAgent } from "../../protocol/sessions.ts";
import { untilFirst } from "../attempts.ts";
import { getSessionRow, sessionNotFound } from "./read.ts";
import { type SessionRow, sessionColumns, toSession } from "./row.ts";
import { requireSupportedAgent } from "./supported.ts";

// The log's head is locked first, as by every append. Nothing changes unless title and metadata are still what the
// caller has merged with.
const statement: Statement = {
  name: "session_update",
  text: `
with head as (
  select *, greatest(drover_now(), last_at) as at from session_head
  where session_id = $2 and workspace_id = $1 for no key update
), changed as (
  update session s set title = $3, metadata = $4::json, agent = $11::text::json, updated_at = head.at from head
  where s.id = head.session_id and head.status <> 'terminated'
    and s.title is not distinct from $5 and s.metadata::text = $6 and s.agent::text = $12
    and (head.status = 'idle' or $11::text = $12)
  returning s.id
), moved as (
  update session_head h set seq = h.seq + 1, last_at = head.at from head, changed where h.session_id = changed.id
), written as (
  insert into event (workspace_id, session_id, seq, id, thread_id, audience, type, body, created_at)
  select $1, head.session_id, head.seq + 1, $7, $8, 'session', 'session.updated', $9::json, head.at from head, changed
), rung as materialized (
  select pg_notify('drover', $10 || ' ' || id || ':' || head.seq + 1) from head, changed
)
select head.status, changed.id as changed, head.seq + 1 as seq, (select count(*) from rung) as rung
from head left join changed on true`,
};

const metadataText: Statement = {
  name: "session_metadata",
  text: `select ${sessionColumns}, s.metadata::text as metadata_text, s.agent::text as agent_text
    from session s join session_head h on h.session_id = s.id where s.id = $2 and s.workspace_id = $1`,
};

const agentInUse = (id: string, status: string) =>
  invalid(`agent: session ${id} is ${status}; its tools can be changed only while it is idle`);

/** Changes title, metadata and the agent's tools, and says so in the log; a patch that changes nothing leaves no trace. */
export async function updateSession(
  db: Database,
  workspaceId: string,
  id: string,
  params: UpdateSession,
  hooks: { from: number; moved(seq: number): void },
): Promise<Session> {
  return untilFirst(`session ${id}`, async () => {
    const [row] = await db.query<SessionRow & { metadata_text: string; agent_text: string }>(metadataText, [
      workspaceId,
      id,
    ]);
    if (!row) throw sessionNotFound(id);
    if (row.status === "terminated") throw invalid(`session ${id} is archived and cannot be updated`);
    const title = params.title === undefined ? row.title : params.title;
    const metadata = patchedMetadata(row.metadata, params.metadata ?? {});
    const event: EventBody<"session.updated"> = {};
    if (title !== row.title) event.title = title;
    const sameMetadata = JSON.stringify(metadata) === JSON.stringify(row.metadata);
    if (!sameMetadata && Object.keys(metadata).length > 0) event.metadata = metadata;
    const agent = updatedSessionAgent(row.agent, params.agent);
    requireSupportedAgent(agent);
    const sameAgent = isDeepStrictEqual(agent, row.agent);
    if (!sameAgent) {
      if (row.status !== "idle") throw agentInUse(id, row.status);
      event.agent = agent;
    }
    if (title === row.title && sameMetadata && sameAgent) return toSession(row);

    const [done] = await db.query<{ changed: string | null; seq: number }>(statement, [
      workspaceId,
      id,
      title,
      JSON.stringify(metadata),
      row.title,
      row.metadata_text,
      newId("event"),
      primaryThreadOf(id),
      JSON.stringify(event),
      String(hooks.from),
      sameAgent ? row.agent_text : JSON.stringify(agent),
      row.agent_text,
    ]);
    if (!done?.changed) return undefined;
    hooks.moved(done.seq);
    return toSession(await getSessionRow(db, workspaceId, id));
  });
}
