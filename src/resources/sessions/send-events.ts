import type { Database } from "../../db/database.ts";
import type { Blobs } from "../../files/blobs.ts";
import { arrivalEntries, startsTurn } from "../../log/arrival.ts";
import { wireEvent } from "../../log/entry.ts";
import type { Log } from "../../log/group-commit.ts";
import { primaryThreadOf } from "../../log/thread-id.ts";
import { takesSystemMessages } from "../../models/traits.ts";
import { invalid } from "../../protocol/errors.ts";
import type { DoneBy, EventParams, SessionEvent } from "../../protocol/events.ts";
import { holdContents, namedDrafts, namedFiles } from "./named-files.ts";
import { sessionNotFound } from "./read.ts";
import type { SessionAgents } from "./session-agents.ts";
import { requireSupportedEvents } from "./supported.ts";

export interface SendParts {
  db: Database;
  log: Log;
  sessionAgents: SessionAgents;
  blobs: Pick<Blobs, "open">;
}

/** Appends a client's events, all or none, and answers with them as they now stand. */
export async function sendEvents(
  { db, log, sessionAgents, blobs }: SendParts,
  workspaceId: string,
  sessionId: string,
  events: EventParams[],
  worker?: DoneBy,
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
  const agent = await sessionAgents.of(db, workspaceId, sessionId);
  requireSystemPlace(events, agent.model);
  const files = await namedFiles(db, blobs, workspaceId, events, "events");
  await holdContents(db, workspaceId, sessionId, files);
  const entries = arrivalEntries(sessionId, agent.name, events, worker);
  const result = await log.append({
    workspace_id: workspaceId,
    session_id: sessionId,
    entries: [...namedDrafts(sessionId, files), ...entries],
    threads: events.some(startsTurn) ? [{ id: threadId, status: "running", only_if: "starts" }] : [],
    answers: answers.map(({ ask }) => ask),
    ...leaveOf(events),
    not_while: notWhile(events),
    run: { type: "wake" },
  });
  switch (result.verdict) {
    case "accepted": {
      const kept = new Map(result.entries.map((entry) => [entry.id, wireEvent(entry)]));
      // What there was nothing to do for is answered as if it had been taken, and is in no list.
      return { data: entries.slice(0, events.length).map((entry) => kept.get(entry.id) ?? wireEvent(entry)) };
    }
    case "at_cap":
      throw invalid(
        `events: the session's budget is used up; it accepts only ${acceptedAtCap.join(", ")} until its budget is raised or removed`,
      );
    case "asking":
      throw invalid(
        `events.${events.length - 1}: system.message is accepted while the session waits for answers only after a tool result`,
      );
    case "terminated":
      throw invalid("Cannot send events to archived session");
    case "not_asked":
      throw notAsked(answers.find(({ ask }) => !result.asks.includes(ask)));
    default:
      throw sessionNotFound(sessionId);
  }
}

const acceptedAtCap = [
  "user.tool_confirmation",
  "user.tool_result",
  "user.custom_tool_result",
  "user.interrupt",
] as const;

/** What the session must not be doing for these events to be accepted. */
function notWhile(events: EventParams[]): ("at_cap" | "asking")[] {
  const refused: ("at_cap" | "asking")[] = [];
  if (events.some(({ type }) => !acceptedAtCap.some((accepted) => accepted === type))) refused.push("at_cap");
  if (events.at(-1)?.type === "system.message" && events.at(-2)?.type === "user.message")
    refused.push("asking");
  return refused;
}

/** A system message accompanies the message or result before it, and only some models take one. */
function requireSystemPlace(events: EventParams[], model: string): void {
  events.forEach(({ type }, i) => {
    if (type !== "system.message") return;
    const before = events[i - 1]?.type;
    if (i !== events.length - 1)
      throw invalid(`events.${i}: a system.message must be the last event of a request`);
    if (before !== "user.message" && before !== "user.tool_result" && before !== "user.custom_tool_result") {
      throw invalid(
        `events.${i}: a system.message must directly follow the user.message, user.tool_result or user.custom_tool_result that it accompanies`,
      );
    }
    if (!takesSystemMessages(model)) {
      throw invalid(`events.${i}: the model ${model} does not take system messages in a conversation`, {
        code: "model_does_not_support_mid_conversation_system",
      });
    }
  });
}

interface Answer {
  ask: string;
  /** What to say when nothing waits for it. */
  refusal: string;
}

/** What becomes of calls that a worker runs when the client says whether it may. */
function leaveOf(events: EventParams[]): { allows: string[]; closes: string[] } {
  const waiting = (verdict: "allow" | "deny") =>
    events.flatMap((event) =>
      event.type === "user.tool_confirmation" && event.result === verdict
        ? [`if_allowed tool_result ${event.tool_use_id}`]
        : [],
    );
  return { allows: waiting("allow"), closes: waiting("deny") };
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
  if (event.type === "user.tool_result") {
    return {
      ask: `tool_result ${event.tool_use_id}`,
      refusal: `events.${i}: tool_use_id "${event.tool_use_id}" does not match any \`agent.tool_use\` event in this session that waits for a client's result`,
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
