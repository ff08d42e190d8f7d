import type Anthropic from "@anthropic-ai/sdk";
import type {
  EventListParams,
  BetaManagedAgentsSessionEvent as ListedEvent,
  BetaManagedAgentsStreamSessionEvents as StreamEvent,
} from "@anthropic-ai/sdk/resources/beta/sessions/events";
import { type Exit, exits, Failure } from "../exits.ts";
import { jsonText } from "../terminal.ts";
import { eventText } from "./event-line.ts";
import { type ListOptions, pageSize, take } from "./listed.ts";
import { endsTurn, exitAfter } from "./session.ts";
import { table } from "./table.ts";
import { eventTree } from "./tree.ts";
import { appearances, watchSession } from "./watch.ts";
import { workerCalls } from "./worker-calls.ts";

export interface EventsOptions extends ListOptions {
  type?: string[];
}

export async function listEvents(client: Anthropic, session: string, options: EventsOptions): Promise<void> {
  const { items, more } = await take(
    client.beta.sessions.events.list(session, {
      order: "desc",
      limit: pageSize(options),
      ...(options.type && { types: options.type as NonNullable<EventListParams["types"]> }),
    }),
    options,
  );
  const events = items.reverse();
  process.stdout.write(
    options.json
      ? `${jsonText(events, 2)}\n`
      : table(["time", "id", "type", "text"], events.map(rowOf), process.stdout),
  );
  if (more) process.stderr.write(`there are older ones: --limit ${options.limit * 5}, or --all\n`);
}

const rowOf = (event: ListedEvent) => [
  event.processed_at ? `${event.processed_at.slice(0, 19)}Z` : "waits",
  event.id,
  event.type,
  eventText(event),
];

export interface TailOptions {
  events: string;
  untilIdle?: boolean;
  json?: boolean;
}

/** Resolves with the exit code, when there is nothing more to come. */
export async function tail(client: Anthropic, session: string, options: TailOptions): Promise<Exit> {
  if (!/^\d{1,4}$/.test(options.events))
    throw new Failure("--events: must be a whole number up to 9999", exits.usage);
  const backlog = Number(options.events);
  const tree = eventTree(process.stdout);
  const ofWorkers = workerCalls();
  const appeared = appearances();
  let last: StreamEvent | undefined;
  const show = (event: StreamEvent) => {
    ofWorkers.hear(event);
    if (event.type.startsWith("session.status_")) last = event;
    if (options.json) process.stdout.write(`${jsonText(event)}\n`);
    else tree.show(event);
  };
  const isOver = () =>
    last?.type === "session.status_terminated" ||
    (options.untilIdle === true && last !== undefined && endsTurn(last) && !ofWorkers.areAwaitedBy(last));

  const stop = new AbortController();
  const opened = async () => {
    const newest: ListedEvent[] = [];
    // One more is read at least: what comes after a broken connection is known by what was there before.
    for await (const event of client.beta.sessions.events.list(session, {
      order: "desc",
      limit: Math.min(100, Math.max(1, backlog)),
    })) {
      newest.push(event);
      if (newest.length >= Math.max(1, backlog)) break;
    }
    for (const event of newest.reverse()) {
      appeared.isNew(event);
      if (backlog > 0) show(event);
      else if (event.type.startsWith("session.status_")) last = event;
    }
    // Calls that are older than what was read.
    if (last?.type === "session.status_idle" && last.stop_reason.type === "requires_action")
      for await (const event of client.beta.sessions.events.list(session, {
        types: ["agent.tool_use", "user.tool_confirmation"],
        limit: 1_000,
      }))
        ofWorkers.hear(event);
    if (isOver()) stop.abort();
  };
  const reconnecting = () => process.stderr.write("the connection broke; trying again\n");
  for await (const event of watchSession(client, session, {
    signal: stop.signal,
    appeared,
    opened,
    reconnecting,
  })) {
    if (event.type === "session.deleted") return exits.not_found;
    show(event);
    if (isOver()) break;
  }
  return options.untilIdle ? exitAfter(last) : exits.done;
}
