import { limits } from "../limits.ts";
import type { SessionStatus } from "../log/append.ts";
import { type BodyOf, bodyOf, type Entry, readerVersion } from "../log/entry.ts";
import type { ContentBlock, ModelMessage, ModelUsage } from "../models/model.ts";
import { addUsage, noUsage } from "../models/model.ts";
import type { EvaluatedPermission, StopDetails, StopReason } from "../protocol/events.ts";
import { centsOf } from "../protocol/money.ts";
import { toolNamed } from "../tools/toolset.ts";
import { rememberedUrls, type ShownUrl } from "../tools/web/sources.ts";
import { compacted, withoutResults } from "./compaction.ts";
import {
  addSystemTexts,
  addUserBlocks,
  contentForModel,
  leaveOutMedia,
  wordForMedia,
} from "./conversation.ts";
import type { AgentFacts } from "./session.ts";

/** What a session's log says, folded. */
export interface State {
  seq: number;
  status: SessionStatus;
  usage: ModelUsage;
  /** Searches of the web. */
  web_searches: number;
  /** What the model's tokens and the searches have cost at list prices, in billionths of a dollar. */
  spent_nano: number;
  /** As the log last changed them; undefined where it has not, and the session's facts hold. */
  budget_cents?: number | null;
  agent?: AgentFacts;
  /** The newest call that has ended and was made in a sandbox; not there before the first. */
  sandbox_call?: string;
  /** Time spent running before `running_since`, in `ms`. */
  active_ms: number;
  running_since: number | null;
  threads: Map<string, Thread>;
  /** The newest checkpoint, and the newest entry that made a thread's conversation shorter. */
  checkpoint_seq: number;
  shortened_seq: number;
}

export interface Thread {
  id: string;
  status: SessionStatus;
  /** Client events that have arrived and were not taken up, in order. */
  queued: Queued[];
  /** The conversation as the model sees it. */
  messages: ModelMessage[];
  /** The texts of the user's own messages among them: all that counts as what the user wants. */
  user_texts: string[];
  /** What may be fetched because results have shown it that are not among the messages any more. */
  shown_urls: ShownUrl[];
  /** Calls of the newest reply that have no result yet. */
  calls: Call[];
  /** What the model counted of the conversation with its newest answer, in tokens; null when there is none to go by. */
  counted_tokens: number | null;
  /** The newest message of the user, which no summary replaces. */
  newest_user: ContentBlock[];
  /** Compactions since the model's last answer. */
  compactions: number;
  /** How often since then the provider has said that the conversation is too long. */
  exceeded: number;
  /** A model request whose end is not in the log. */
  request: { id: string } | null;
  /** Failed attempts at the request that is due, and when it may be sent again, in `ms` since 1970. */
  failures: number;
  retry_at: number | null;
  /** Requests in a row whose brain did not live to see the end. */
  orphans: number;
  /** Where this turn began. An interrupt from before it interrupts nothing. */
  began_seq: number;
  /** Tool rounds in this turn. */
  rounds: number;
  /** Time in this turn before `turn_since`, in `ms`; waits for the client are left out. */
  turn_ms: number;
  turn_since: number | null;
  /** The calls that the last idle event has asked the client about; null when it ended the turn. */
  asked: string[] | null;
  /** It rests because the session's budget is used up, with something left to ask the model. */
  paused: boolean;
  /** Set when the turn can only end: why. */
  ending: Ending | null;
}

export interface Ending {
  stop_reason: StopReason;
  stop_details: StopDetails;
}

export type Queued =
  | { type: "user.message"; seq: number; id: string; content: BodyOf<"user.message">["content"] }
  | { type: "system.message"; seq: number; id: string; texts: string[] }
  | { type: "user.interrupt"; seq: number; id: string }
  | { type: "user.tool_confirmation"; seq: number; id: string; tool_use_id: string; answer: Confirmation };

export interface Confirmation {
  allow: boolean;
  deny_message: string | null;
}

export interface Call {
  /** Id of its `agent.tool_use` event, by which `hands` knows it too. */
  id: string;
  /** The vendor's id, which the result must name. */
  vendor_id: string;
  name: string;
  input: Record<string, unknown>;
  /** `custom` is run by the client. */
  kind: "built_in" | "custom";
  permission: EvaluatedPermission;
  /** What the client said to a call that it was asked about. */
  confirmation: Confirmation | null;
  /** Seq of the entry that says that it was begun. */
  started_seq: number | null;
  /** How often it was begun. What runs in a sandbox is begun once, and found again; what runs in the server is begun anew. */
  starts: number;
}

/** Whether nobody but the client can bring the call further. */
export const awaitsClient = (call: Call): boolean =>
  call.kind === "custom" || (call.permission === "ask" && call.confirmation === null);

/** What a client may answer now, as `append` knows it: confirmations that wait to be taken up are left out. */
export function clientTurn(state: State): string[] {
  return [...state.threads.values()].flatMap((thread) => {
    const answered = thread.queued.flatMap((event) =>
      event.type === "user.tool_confirmation" ? [event.tool_use_id] : [],
    );
    return thread.calls
      .filter((call) => awaitsClient(call) && !answered.includes(call.id))
      .map((call) => `${call.kind === "custom" ? "result" : "confirmation"} ${call.id}`);
  });
}

/** An entry that this version does not understand: a newer one wrote it. */
export class NewerEntry extends Error {
  override readonly name = "NewerEntry";
}

export const emptyState = (): State => ({
  seq: 0,
  status: "idle",
  usage: noUsage,
  web_searches: 0,
  spent_nano: 0,
  active_ms: 0,
  running_since: null,
  threads: new Map(),
  checkpoint_seq: 0,
  shortened_seq: 0,
});

/** A state as the log keeps it. */
export const storedState = (state: State): object => ({ ...state, threads: [...state.threads.values()] });

/** What an older version has stored lacks what came later: that is as in a new session. */
function restoredState(stored: object): State {
  const { threads, ...rest } = stored as Omit<State, "threads"> & { threads: Thread[] };
  const restored = threads.map((thread) => copyOf({ ...newThread(thread.id), ...thread }));
  return { ...emptyState(), ...rest, threads: new Map(restored.map((thread) => [thread.id, thread])) };
}

/** Whether the next brain would have to read much that does not matter any more. */
export const wantsCheckpoint = (state: State): boolean =>
  state.shortened_seq > state.checkpoint_seq || state.seq - state.checkpoint_seq > limits.checkpoint_entries;

export const newThread = (id: string): Thread => ({
  id,
  status: "idle",
  queued: [],
  messages: [],
  counted_tokens: null,
  newest_user: [],
  compactions: 0,
  exceeded: 0,
  user_texts: [],
  shown_urls: [],
  calls: [],
  request: null,
  failures: 0,
  retry_at: null,
  orphans: 0,
  began_seq: 0,
  rounds: 0,
  turn_ms: 0,
  turn_since: null,
  asked: null,
  paused: false,
  ending: null,
});

const copyOf = (thread: Thread): Thread => ({
  ...thread,
  queued: [...thread.queued],
  messages: [...thread.messages],
  user_texts: [...thread.user_texts],
  calls: [...thread.calls],
});

/** Pure: `fold(b, fold(a))` equals `fold([...a, ...b])`, and `state` is left as it was. */
export function fold(entries: readonly Entry[], state: State = emptyState()): State {
  const next: State = { ...state, threads: new Map() };
  for (const [id, thread] of state.threads) {
    next.threads.set(id, copyOf(thread));
  }
  for (const entry of entries) apply(next, entry);
  return next;
}

/** Changes `state` and its threads, which `fold` owns; messages, calls and queued events are replaced, not changed. */
function apply(state: State, entry: Entry): void {
  state.seq = entry.seq;
  const thread = state.threads.get(entry.thread_id) ?? newThread(entry.thread_id);
  state.threads.set(thread.id, thread);

  switch (entry.type) {
    case "user.message":
      thread.queued.push({
        type: "user.message",
        seq: entry.seq,
        id: entry.id,
        content: bodyOf(entry, "user.message").content,
      });
      return;
    case "system.message": {
      const texts = bodyOf(entry, "system.message").content.map(({ text }) => text);
      thread.queued.push({ type: "system.message", seq: entry.seq, id: entry.id, texts });
      return;
    }
    case "user.interrupt":
      thread.queued.push({ type: "user.interrupt", seq: entry.seq, id: entry.id });
      return;
    case "user.tool_confirmation": {
      const { tool_use_id, result, deny_message } = bodyOf(entry, "user.tool_confirmation");
      const answer = { allow: result === "allow", deny_message: deny_message ?? null };
      thread.queued.push({
        type: "user.tool_confirmation",
        seq: entry.seq,
        id: entry.id,
        tool_use_id,
        answer,
      });
      return;
    }
    case "user.custom_tool_result": {
      const result = bodyOf(entry, "user.custom_tool_result");
      settleCall(thread, result.custom_tool_use_id, result.content ?? [], result.is_error ?? false);
      return;
    }
    case "promoted": {
      const event = thread.queued.find((queued) => queued.seq === entry.of_seq);
      thread.queued = thread.queued.filter((queued) => queued !== event);
      if (event?.type === "user.message") {
        thread.ending = null;
        thread.newest_user = event.content.flatMap(contentForModel);
        addUserBlocks(thread.messages, thread.newest_user);
        thread.user_texts.push(
          ...event.content.flatMap((block) => (block.type === "text" ? [block.text] : [])),
        );
      }
      if (event?.type === "system.message") addSystemTexts(thread.messages, event.texts);
      if (event?.type === "user.tool_confirmation") {
        changeCall(thread, event.tool_use_id, { confirmation: event.answer });
      }
      return;
    }
    case "span.model_request_start":
      thread.request = { id: entry.id };
      thread.retry_at = null;
      thread.ending = null;
      return;
    case "span.model_request_end":
      thread.request = null;
      return;
    case "charged": {
      const { usage, nano_dollars } = bodyOf(entry, "charged");
      state.usage = addUsage(state.usage, usage);
      state.spent_nano += nano_dollars ?? 0;
      return;
    }
    case "searched": {
      const { requests, usage, nano_dollars } = bodyOf(entry, "searched");
      if (usage) state.usage = addUsage(state.usage, usage);
      state.web_searches += requests;
      state.spent_nano += nano_dollars;
      return;
    }
    case "model_reply": {
      const reply = bodyOf(entry, "model_reply");
      Object.assign(thread, { failures: 0, orphans: 0, compactions: 0, exceeded: 0 });
      thread.counted_tokens = reply.context_tokens;
      if (reply.content.length > 0) thread.messages.push({ role: "assistant", content: reply.content });
      for (const block of reply.content) {
        if (block.type !== "tool_use") continue;
        thread.calls.push({
          id: reply.call_ids[block.id] ?? "",
          vendor_id: block.id,
          name: block.name,
          input: block.input,
          kind: "built_in",
          permission: "allow",
          confirmation: null,
          started_seq: null,
          starts: 0,
        });
      }
      if (thread.calls.length > 0) thread.rounds += 1;
      else thread.ending = reply.ending;
      return;
    }
    case "checkpoint":
      Object.assign(state, restoredState(bodyOf(entry, "checkpoint").state), {
        seq: entry.seq,
        checkpoint_seq: entry.seq,
      });
      return;
    case "compaction":
      state.shortened_seq = entry.seq;
      thread.shown_urls = rememberedUrls(thread);
      thread.messages = compacted(thread, bodyOf(entry, "compaction").summary);
      Object.assign(thread, { failures: 0, orphans: 0, exceeded: 0, counted_tokens: null });
      thread.compactions += 1;
      return;
    case "results_cleared": {
      state.shortened_seq = entry.seq;
      thread.shown_urls = rememberedUrls(thread);
      const { messages, freed } = withoutResults(
        thread.messages,
        bodyOf(entry, "results_cleared").vendor_ids,
      );
      thread.messages = messages;
      if (thread.counted_tokens !== null) thread.counted_tokens = Math.max(0, thread.counted_tokens - freed);
      return;
    }
    case "context_exceeded":
      thread.exceeded += 1;
      return;
    case "retry_scheduled":
      thread.failures += 1;
      thread.orphans = 0;
      thread.retry_at = Date.parse(bodyOf(entry, "retry_scheduled").retry_at);
      return;
    case "request_abandoned":
      thread.orphans += 1;
      return;
    case "turn_failed":
      if (bodyOf(entry, "turn_failed").rejected) {
        leaveOutMedia(thread.messages);
        // A summary that brings the newest message back must not bring back what was refused.
        thread.newest_user = thread.newest_user.map(wordForMedia);
      }
      thread.ending = { stop_reason: { type: "retries_exhausted" }, stop_details: null };
      return;
    case "agent.tool_use":
      changeCall(thread, entry.id, { permission: bodyOf(entry, "agent.tool_use").evaluated_permission });
      return;
    case "agent.custom_tool_use":
      changeCall(thread, entry.id, { kind: "custom" });
      return;
    case "tool_started": {
      const { tool_use_id } = bodyOf(entry, "tool_started");
      const before = thread.calls.find(({ id }) => id === tool_use_id)?.starts ?? 0;
      changeCall(thread, tool_use_id, { started_seq: entry.seq, starts: before + 1 });
      return;
    }
    case "agent.tool_result": {
      const result = bodyOf(entry, "agent.tool_result");
      const call = thread.calls.find(({ id }) => id === result.tool_use_id);
      if (call && call.started_seq !== null && toolNamed(call.name)) state.sandbox_call = call.id;
      settleCall(thread, result.tool_use_id, result.content, result.is_error);
      return;
    }
    case "workspace_restored":
    case "left_out":
      return;
    case "session.status_running":
      state.status = "running";
      state.running_since = Date.parse(entry.created_at);
      return;
    case "session.status_idle":
    case "session.status_rescheduled":
    case "session.status_terminated":
      if (state.running_since !== null) state.active_ms += Date.parse(entry.created_at) - state.running_since;
      state.running_since = null;
      state.status =
        entry.type === "session.status_idle"
          ? "idle"
          : entry.type === "session.status_rescheduled"
            ? "rescheduling"
            : "terminated";
      return;
    case "session.thread_status_running":
      if (thread.status === "idle" && thread.asked === null) {
        if (!thread.paused)
          Object.assign(thread, { rounds: 0, turn_ms: 0, compactions: 0, exceeded: 0, began_seq: entry.seq });
        Object.assign(thread, { failures: 0, orphans: 0, ending: null });
      }
      thread.status = "running";
      thread.turn_since ??= Date.parse(entry.created_at);
      thread.asked = null;
      thread.paused = false;
      return;
    case "session.thread_status_idle": {
      const { stop_reason } = bodyOf(entry, "session.thread_status_idle");
      thread.status = "idle";
      thread.retry_at = null;
      thread.asked = stop_reason.type === "requires_action" ? stop_reason.event_ids : null;
      thread.paused = stop_reason.type === "budget_reached";
      if (thread.turn_since !== null) thread.turn_ms += Date.parse(entry.created_at) - thread.turn_since;
      thread.turn_since = null;
      return;
    }
    case "session.thread_status_rescheduled":
      thread.status = "rescheduling";
      return;
    case "session.thread_status_terminated":
      thread.status = "terminated";
      return;
    case "session.updated": {
      const { agent, budget } = bodyOf(entry, "session.updated");
      if (agent) state.agent = agent;
      if (budget !== undefined) state.budget_cents = budget && centsOf(budget);
      return;
    }
    default:
      if (entry.audience === "internal") refuseNewer(entry);
  }
}

function refuseNewer(entry: Entry): void {
  const { reader } = entry.body as { reader?: number };
  throw new NewerEntry(
    `entry ${entry.seq} (${entry.type}) needs a server that reads version ${reader ?? "?"}; this one reads ${readerVersion}`,
  );
}

function changeCall(thread: Thread, id: string, change: Partial<Call>): void {
  thread.calls = thread.calls.map((call) => (call.id === id ? { ...call, ...change } : call));
}

/** The first result counts: a call has one. */
function settleCall(
  thread: Thread,
  id: string,
  content: BodyOf<"agent.tool_result">["content"],
  isError: boolean,
): void {
  const call = thread.calls.find((candidate) => candidate.id === id);
  if (!call) return;
  thread.calls = thread.calls.filter((candidate) => candidate !== call);
  addUserBlocks(thread.messages, [
    {
      type: "tool_result",
      tool_use_id: call.vendor_id,
      content: content.flatMap(contentForModel),
      is_error: isError,
    },
  ]);
}
