import { isDeepStrictEqual } from "node:util";
import type Anthropic from "@anthropic-ai/sdk";
import type { Frame } from "../harness/raw-stream.ts";
import type { ListedEvent } from "../harness/session.ts";
import { ofCommands, ofRestores } from "./commands.ts";
import { type HostHarm, ofLosses } from "./losses.ts";
import { isProcessed } from "./readers.ts";
import type { Workspace } from "./workspaces.ts";

/** All that is known of one session from outside. */
export interface Evidence {
  /** Ids of the events that the API has acknowledged, in the order in which they were sent. */
  sent: string[];
  /** Texts of messages that it has refused. */
  refusedTexts: string[];
  session: Pick<Anthropic.Beta.BetaManagedAgentsSession, "id" | "status" | "usage">;
  list: ListedEvent[];
  /** What its commands have written, each its own word, the oldest workspace first. */
  workspaces: Workspace[];
  /** By id of an event, times in `ms`: not before this it was sent, and not after this it was there. */
  sent_ms: ReadonlyMap<string, number>;
  seen_ms: ReadonlyMap<string, number>;
  hostHarms: readonly HostHarm[];
  /** Names of hosts, by their ids. */
  hostIds: ReadonlyMap<string, string>;
  byCursor: Frame[];
  withCare: ListedEvent[];
}

/** What of it must not be; none, when nothing was lost and nothing was done twice. */
export function problemsOf(evidence: Evidence): string[] {
  return [
    ...ofAcknowledged(evidence),
    ...ofCalls(evidence),
    ...ofCommands(evidence),
    ...ofRestores(evidence),
    ...ofLosses(evidence),
    ...ofTheEnd(evidence),
    ...ofUsage(evidence),
    ...ofReaders(evidence),
  ];
}

/** Every acknowledged event is in the list once, and those of a kind in the order in which they were sent. */
function ofAcknowledged({ sent, list, refusedTexts }: Evidence): string[] {
  const problems: string[] = [];
  const places = new Map(list.map(({ id }, place) => [id, place]));
  if (places.size !== list.length) problems.push(`the list repeats ${list.length - places.size} events`);
  const newest = new Map<string, number>();
  for (const id of sent) {
    const place = places.get(id);
    const event = place === undefined ? undefined : list[place];
    if (place === undefined || !event) {
      problems.push(`${id} was acknowledged and is not in the list`);
      continue;
    }
    if (place < (newest.get(event.type) ?? -1))
      problems.push(`${id} (${event.type}) is before one sent earlier`);
    newest.set(event.type, place);
  }
  const known = new Set(sent);
  for (const event of list) {
    if (!event.type.startsWith("user.") || known.has(event.id)) continue;
    problems.push(`${event.id} (${event.type}) is in the list and was not acknowledged`);
  }
  const texts = list.flatMap((event) =>
    event.type === "user.message" ? [JSON.stringify(event.content)] : [],
  );
  for (const text of refusedTexts)
    if (texts.includes(text)) problems.push(`a refused message is in the list: ${text}`);
  return problems;
}

/** Each tool use has one result, after it; each request for an answer of the model has one end. */
function ofCalls({ list }: Evidence): string[] {
  const problems: string[] = [];
  const open = new Set<string>();
  let request: string | null = null;
  for (const event of list) {
    if (event.type === "agent.tool_use") open.add(event.id);
    else if (event.type === "agent.tool_result" && !open.delete(event.tool_use_id))
      problems.push(`${event.id} is a second result of ${event.tool_use_id}, or one of nothing`);
    else if (event.type === "span.model_request_start") {
      if (request) problems.push(`${event.id} begins while ${request} is open`);
      request = event.id;
    } else if (event.type === "span.model_request_end") {
      if (event.model_request_start_id !== request) problems.push(`${event.id} ends what is not open`);
      request = null;
    }
  }
  for (const id of open) problems.push(`${id} has no result`);
  if (request) problems.push(`${request} has no end`);
  return problems;
}

/** The newest event but for interrupts: one that comes when the session rests changes nothing. */
export const endOf = (list: readonly ListedEvent[]): ListedEvent | undefined =>
  list.findLast(({ type }) => type !== "user.interrupt");

/** It rests, at an end that it has told; one that was never asked for anything has nothing to tell. */
function ofTheEnd({ sent, session, list }: Evidence): string[] {
  const problems: string[] = [];
  if (session.status !== "idle") problems.push(`its status is ${session.status}`);
  const end = endOf(list);
  const expected = sent.length > 0 ? "session.status_idle" : undefined;
  if (end?.type !== expected)
    problems.push(`its last event is ${end?.type ?? "none"}, not ${expected ?? "none"}`);
  if (end?.type === "session.status_idle" && end.stop_reason.type === "requires_action")
    problems.push(`it still waits for answers to ${end.stop_reason.event_ids.join(" ")}`);
  return problems;
}

/** What the session has used is what its requests have. */
function ofUsage({ session, list }: Evidence): string[] {
  const total = { input_tokens: 0, output_tokens: 0, cache_read_input_tokens: 0 };
  for (const event of list) {
    if (event.type !== "span.model_request_end") continue;
    total.input_tokens += event.model_usage.input_tokens;
    total.output_tokens += event.model_usage.output_tokens;
    total.cache_read_input_tokens += event.model_usage.cache_read_input_tokens;
  }
  const { usage } = session;
  const said = {
    input_tokens: usage.input_tokens ?? 0,
    output_tokens: usage.output_tokens ?? 0,
    cache_read_input_tokens: usage.cache_read_input_tokens ?? 0,
  };
  return isDeepStrictEqual(said, total)
    ? []
    : [`its usage is ${JSON.stringify(said)}, that of its requests ${JSON.stringify(total)}`];
}

/**
 * Both readers have seen what the list says, in its order: nothing is missing and nothing came twice. A message is on the
 * stream when it arrives, and when it is taken up.
 */
function ofReaders({ list, withCare, byCursor }: Evidence): string[] {
  const problems: string[] = [];
  if (!isDeepStrictEqual(withCare, list)) problems.push(difference("the careful reader", withCare, list));
  const processed = byCursor.filter(isProcessed).map(({ data }) => data);
  if (!isDeepStrictEqual(processed, list)) problems.push(difference("the reader by cursor", processed, list));
  const cursors = byCursor.map(({ id }) => Number(id?.split("-").at(1)));
  if (cursors.some((seq, i) => !(seq > (cursors[i - 1] ?? 0))))
    problems.push("a cursor of the stream is not beyond the one before");
  const arrived = new Map<string, number>();
  for (const [place, { data }] of byCursor.entries()) {
    if (data.processed_at === null) {
      if (arrived.has(data.id)) problems.push(`the stream has told of the arrival of ${data.id} twice`);
      arrived.set(data.id, place);
    } else if (data.type === "user.message" && !arrived.has(data.id))
      problems.push(`the stream has not told of the arrival of ${data.id} before it was taken up`);
  }
  return problems;
}

function difference(
  who: string,
  saw: { id: string; type: string }[],
  list: { id: string; type: string }[],
): string {
  const place = Array.from({ length: Math.max(saw.length, list.length) }, (_, i) => i).find(
    (i) => !isDeepStrictEqual(saw[i], list[i]),
  );
  const at = place ?? 0;
  const named = (event: { id: string; type: string } | undefined) =>
    event ? `${event.type} ${event.id}` : "nothing";
  return `${who} saw ${saw.length} events, the list has ${list.length}; the first difference is at ${at}: ${named(saw[at])}, not ${named(list[at])}`;
}
