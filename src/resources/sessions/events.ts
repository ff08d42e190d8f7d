import type { Database, Statement } from "../../db/database.ts";
import { arrivalEntries, startsTurn } from "../../log/arrival.ts";
import { type Entry, wireEvent } from "../../log/entry.ts";
import type { Log } from "../../log/group-commit.ts";
import { primaryThreadOf } from "../../log/thread-id.ts";
import { invalid } from "../../protocol/errors.ts";
import { type ListEvents, placeInLog } from "../../protocol/event-lists.ts";
import type { EventParams, SessionEvent } from "../../protocol/events.ts";
import { decodeCursor, type Page, pageFrom } from "../../protocol/page.ts";
import { sessionNotFound, threadNotFound } from "./read.ts";
import { requireSupportedEvents } from "./supported.ts";

/** Appends a client's events, all or none, and answers with them as they now stand. */
export async function sendEvents(
  log: Log,
  names: AgentNames,
  workspaceId: string,
  sessionId: string,
  events: EventParams[],
): Promise<{ data: SessionEvent[] }> {
  requireSupportedEvents(events, "events");
  const threadId = primaryThreadOf(sessionId);
  events.forEach((event, i) => {
    if (event.type === "user.interrupt" && (event.session_thread_id ?? threadId) !== threadId) {
      throw invalid(
        `events.${i}.session_thread_id: thread ${event.session_thread_id} not found in this session`,
      );
    }
  });
  const answers = answersOf(events);
  const result = await log.append({
    workspace_id: workspaceId,
    session_id: sessionId,
    entries: arrivalEntries(sessionId, await names.nameOf(workspaceId, sessionId), events),
    threads: events.some(startsTurn) ? [{ id: threadId, status: "running", only_if_starts: true }] : [],
    answers: answers.map(({ ask }) => ask),
    run: { type: "wake" },
  });
  switch (result.verdict) {
    case "accepted":
      return { data: result.entries.slice(0, events.length).map((entry) => wireEvent(entry)) };
    case "terminated":
      throw invalid("Cannot send events to archived session");
    case "not_asked":
      throw notAsked(answers.find(({ ask }) => !result.asks.includes(ask)));
    default:
      throw sessionNotFound(sessionId);
  }
}

interface Answer {
  ask: string;
  /** What to say when nothing waits for it. */
  refusal: string;
}

/** The answers among a client's events, by the asks they close. */
function answersOf(events: EventParams[]): Answer[] {
  const answers = new Map<string, Answer>();
  events.forEach((event, i) => {
    const answer = answerOf(event, i);
    if (!answer) return;
    if (answers.has(answer.ask)) throw invalid(`events.${i}: answers the same call a second time`);
    answers.set(answer.ask, answer);
  });
  return [...answers.values()];
}

function answerOf(event: EventParams, i: number): Answer | null {
  if (event.type === "user.tool_confirmation") {
    return {
      ask: `confirmation ${event.tool_use_id}`,
      refusal: `events.${i}: tool_use_id "${event.tool_use_id}" does not match any \`agent.tool_use\` event in this session that waits for a confirmation`,
    };
  }
  if (event.type === "user.custom_tool_result") {
    return {
      ask: `result ${event.custom_tool_use_id}`,
      refusal: `events.${i}: custom_tool_use_id "${event.custom_tool_use_id}" does not match any \`agent.custom_tool_use\` event in this session that waits for a result`,
    };
  }
  return null;
}

const notAsked = (answer: Answer | undefined) =>
  invalid(answer?.refusal ?? "the events answer nothing that was asked");

/** The name of a session's agent, which never changes: remembered, so that sending need not read first. */
export interface AgentNames {
  nameOf(workspaceId: string, sessionId: string): Promise<string>;
}

const nameStatement: Statement = {
  name: "session_agent_name",
  text: "select agent ->> 'name' as name from session where id = $2 and workspace_id = $1",
};

export function rememberAgentNames(db: Database, most: number): AgentNames {
  const known = new Map<string, string>();
  return {
    async nameOf(workspaceId, sessionId) {
      const key = `${workspaceId} ${sessionId}`;
      const name = known.get(key);
      if (name !== undefined) return name;
      const [row] = await db.query<{ name: string }>(nameStatement, [workspaceId, sessionId]);
      if (!row) throw sessionNotFound(sessionId);
      if (known.size >= most) known.delete(known.keys().next().value ?? "");
      known.set(key, row.name);
      return row.name;
    },
  };
}

// An event stands where it was taken up: server events at their own seq, queued ones at that of the promotion that
// names them, and those still waiting behind all others. Listing counts as having seen the session's events.
const list = (order: "asc" | "desc"): Statement => {
  const than = order === "asc" ? ">" : "<";
  const original = "select * from event where session_id = $2 and seq = p.of_seq";
  return {
    name: `event_list_${order}`,
    text: `
with mark as (
  update session_head set seen = true where session_id = $2 and workspace_id = $1 and not seen
    and ($4::text is null or exists (select from thread where session_id = $2 and id = $4))
), taken as (
  select 0 as waiting, p.seq as place, coalesce(o.id, p.id) as id, coalesce(o.type, p.type) as type,
    coalesce(o.body, p.body) as body, p.created_at as processed_at
  from event p left join lateral (${original}) o on true
  where p.session_id = $2 and p.workspace_id = $1 and (p.audience in ('session', $3) or p.of_seq is not null)
    and p.thread_id = coalesce($4, p.thread_id)
    and ($5::int is null or (0, p.seq) ${than} ($5, $6::bigint))
    and ($7::text[] is null or coalesce(o.type, p.type) = any($7))
    and ($8::timestamptz is null or p.created_at > $8) and ($9::timestamptz is null or p.created_at >= $9)
    and ($10::timestamptz is null or p.created_at < $10) and ($11::timestamptz is null or p.created_at <= $11)
  order by p.seq ${order} limit $12
), queued as (
  select 1 as waiting, e.seq as place, e.id, e.type, e.body, null::timestamptz as processed_at
  from event e
  where e.session_id = $2 and e.workspace_id = $1 and e.audience = 'queued'
    and e.thread_id = coalesce($4, e.thread_id)
    and not exists (select from event p where p.session_id = $2 and p.of_seq = e.seq)
    and ($5::int is null or (1, e.seq) ${than} ($5, $6::bigint))
    and ($7::text[] is null or e.type = any($7))
    and coalesce($8, $9, $10, $11) is null
  order by e.seq ${order} limit $12
)
select * from (select * from taken union all select * from queued) as both_kinds
where exists (select from session_head where session_id = $2 and workspace_id = $1)
order by waiting ${order}, place ${order} limit $12`,
  };
};
const lists = { asc: list("asc"), desc: list("desc") };

interface ListedRow extends Pick<Entry, "id" | "type" | "body"> {
  waiting: number;
  place: number;
  processed_at: string | null;
}

const exists: Statement = {
  name: "thread_exists",
  text: `select t.id from session s left join thread t on t.session_id = s.id and t.id = $3
    where s.id = $2 and s.workspace_id = $1`,
};

/** The events of a session, or of one of its threads. */
export async function listEvents(
  db: Database,
  workspaceId: string,
  sessionId: string,
  threadId: string | null,
  query: ListEvents,
): Promise<Page<SessionEvent>> {
  const scope = { list: `events ${threadId ?? sessionId}`, order: query.order };
  const cursor = decodeCursor(query.page, scope, placeInLog);
  const range = query.created_at ?? {};
  const rows = await db.query<ListedRow>(lists[query.order], [
    workspaceId,
    sessionId,
    threadId === null ? "session" : "thread",
    threadId,
    cursor?.position.waiting ?? null,
    cursor?.position.place ?? null,
    query.types ?? null,
    range.gt ?? null,
    range.gte ?? null,
    range.lt ?? null,
    range.lte ?? null,
    query.limit + 1,
  ]);
  if (rows.length === 0) await requireThread(db, workspaceId, sessionId, threadId);
  return pageFrom(
    rows,
    query.limit,
    scope,
    ({ waiting, place }) => ({ waiting, place }),
    (row) => ({ id: row.id, type: row.type, ...row.body, processed_at: row.processed_at }) as SessionEvent,
  );
}

async function requireThread(
  db: Database,
  workspaceId: string,
  sessionId: string,
  threadId: string | null,
): Promise<void> {
  const [row] = await db.query<{ id: string | null }>(exists, [workspaceId, sessionId, threadId]);
  if (!row) throw sessionNotFound(sessionId);
  if (threadId !== null && row.id === null) throw threadNotFound(threadId);
}
