import { isDeepStrictEqual } from "node:util";
import type { Database, Statement } from "../../db/database.ts";
import { primaryThreadOf } from "../../log/thread-id.ts";
import { invalid } from "../../protocol/errors.ts";
import type { EventBody } from "../../protocol/events.ts";
import { newId } from "../../protocol/ids.ts";
import { patchedMetadata } from "../../protocol/metadata.ts";
import { centsOf, nanoPerCent } from "../../protocol/money.ts";
import { type Session, type UpdateSession, updatedSessionAgent } from "../../protocol/sessions.ts";
import type { SessionAgent } from "../../protocol/snapshots.ts";
import { untilFirst } from "../attempts.ts";
import { notBudgetable, notCapped, refusedBudget } from "./budget.ts";
import { getSessionRow, sessionNotFound } from "./read.ts";
import { type SessionRow, sessionColumns, toSession } from "./row.ts";
import { requireSupportedAgent } from "./supported.ts";

// The log's head is locked first, as by every append. Nothing changes unless everything is still what the caller has
// merged with. A budget has to be above what was spent until now; it lets a session that waits for it go on.
const statement: Statement = {
  name: "session_update",
  text: `
with head as (
  select *, greatest(drover_now(), last_at + interval '1 microsecond') as at from session_head
  where session_id = $2 and workspace_id = $1 for no key update
), changed as (
  update session s set title = $3, metadata = $4::json, agent = $11::text::json,
    first_agent = case when $11::text = $12 then first_agent else coalesce(first_agent, agent) end, updated_at = head.at
  from head
  where s.id = head.session_id and head.status <> 'terminated'
    and s.title is not distinct from $5 and s.metadata::text = $6 and s.agent::text = $12
    and (head.status = 'idle' or $11::text = $12)
    and head.budget_cents is not distinct from $14::bigint
    and ($13::bigint is not distinct from $14 or $13 is null or $13::numeric * ${nanoPerCent} > head.spent_nano)
  returning s.id
), moved as (
  update session_head h set seq = h.seq + 1, last_at = head.at, budget_cents = $13,
    at_cap = h.at_cap and $13::bigint is not distinct from $14,
    runnable_at = case when h.at_cap and $13::bigint is distinct from $14 then least(h.runnable_at, head.at)
      else h.runnable_at end
  from head, changed where h.session_id = changed.id
), written as (
  insert into event (workspace_id, session_id, seq, id, thread_id, audience, type, body, created_at)
  select $1, head.session_id, head.seq + 1, $7, $8, 'session', 'session.updated', $9::json, head.at from head, changed
), rung as materialized (
  select pg_notify('drover', $10 || ' ' || id || ':' || head.seq + 1
    || case when head.at_cap and head.lease_owner is null then '!' else '' end) from head, changed
)
select head.status, changed.id as changed, head.seq + 1 as seq, (select count(*) from rung) as rung
from head left join changed on true`,
};

const current: Statement = {
  name: "session_to_update",
  text: `select ${sessionColumns}, s.metadata::text as metadata_text, s.agent::text as agent_text
    from session s join session_head h on h.session_id = s.id where s.id = $2 and s.workspace_id = $1`,
};

const agentInUse = (id: string, status: string) =>
  invalid(`agent: session ${id} is ${status}; its tools can be changed only while it is idle`);

/** Changes what the patch names, and says so in the log; one that changes nothing leaves no trace. */
export async function updateSession(
  db: Database,
  workspaceId: string,
  id: string,
  params: UpdateSession,
  hooks: {
    from: number;
    priced(agent: SessionAgent): boolean;
    /** The server has caps on what may be spent. */
    capped: boolean;
    moved(seq: number): void;
    wake(): void;
  },
): Promise<Session> {
  return untilFirst(`session ${id}`, async () => {
    const [row] = await db.query<SessionRow & { metadata_text: string; agent_text: string }>(current, [
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
    const budget = params.budget === undefined ? row.budget_cents : params.budget && centsOf(params.budget);
    const sameBudget = budget === row.budget_cents;
    if ((params.budget || !sameAgent) && !hooks.priced(agent)) {
      if (budget !== null && row.budget_cents !== null) throw notBudgetable(agent.model);
      if (hooks.capped && !sameAgent) throw notCapped(agent.model);
    }
    if (params.budget) {
      const refusal = refusedBudget(row, params.budget);
      if (refusal) throw refusal;
    }
    if (!sameBudget) event.budget = params.budget ?? null;
    if (title === row.title && sameMetadata && sameAgent && sameBudget) return toSession(row);

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
      budget,
      row.budget_cents,
    ]);
    if (!done?.changed) return undefined;
    hooks.moved(done.seq);
    if (!sameBudget) hooks.wake();
    return toSession(await getSessionRow(db, workspaceId, id));
  });
}
