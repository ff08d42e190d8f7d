import { type BodyOf, bodyOf, type Entry, readerVersion } from "../log/entry.ts";
import { addUsage } from "../models/model.ts";
import { centsOf } from "../protocol/money.ts";
import { toolNamed } from "../tools/toolset.ts";
import { rememberedUrls } from "../tools/web/sources.ts";
import { compacted, withoutResults } from "./compaction.ts";
import {
  addSystemTexts,
  addUserBlocks,
  contentForModel,
  leaveOutMedia,
  wordForMedia,
} from "./conversation.ts";
import { withAgainDue, withChanged, withListed, withServerFailed } from "./mcp.ts";
import { withFailed, withoutCertainty, withPlaced } from "./repositories.ts";
import { type Call, copyOf, emptyState, newThread, restoredState, type State, type Thread } from "./state.ts";

/** An entry that this version does not understand: a newer one wrote it. */
export class NewerEntry extends Error {
  override readonly name = "NewerEntry";
}

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
    case "user.tool_result": {
      const result = bodyOf(entry, "user.tool_result");
      settleCall(state, thread, result.tool_use_id, result.content ?? [], result.is_error ?? false);
      return;
    }
    case "user.custom_tool_result": {
      const result = bodyOf(entry, "user.custom_tool_result");
      settleCall(state, thread, result.custom_tool_use_id, result.content ?? [], result.is_error ?? false);
      return;
    }
    case "promoted": {
      const event = thread.queued.find((queued) => queued.seq === entry.of_seq);
      thread.queued = thread.queued.filter((queued) => queued !== event);
      if (event?.type === "user.message") {
        thread.ending = null;
        thread.newest_user = event.content.flatMap((block) => contentForModel(block, state.files));
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
    case "span.environment_setup_start":
      state.setup = { status: "going_on", id: entry.id, thread_id: thread.id, told: 0 };
      return;
    case "span.environment_setup_ongoing":
      if (state.setup?.status === "going_on") state.setup = { ...state.setup, told: state.setup.told + 1 };
      return;
    case "span.environment_setup_end":
      state.setup = bodyOf(entry, "span.environment_setup_end").is_error ? null : { status: "ready" };
      return;
    case "environment_left":
      state.setup = null;
      state.repositories = {};
      return;
    case "repository_placed":
      Object.assign(state, withPlaced(state, bodyOf(entry, "repository_placed")));
      return;
    case "repository_failed":
      Object.assign(state, withFailed(state, bodyOf(entry, "repository_failed"), entry.seq));
      return;
    case "repositories_told":
      state.repository_notes = [];
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
          kind: reply.worker_calls?.includes(block.id) ? "worker" : "built_in",
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
    case "checkpoint": {
      const restored = restoredState(bodyOf(entry, "checkpoint").state);
      const mounts = Math.max(state.mounts, restored.mounts);
      Object.assign(state, restored, { seq: entry.seq, checkpoint_seq: entry.seq, mounts });
      return;
    }
    case "files_named":
      state.files = { ...state.files, ...bodyOf(entry, "files_named").files };
      return;
    case "mounts_changed":
      state.mounts = Math.max(state.mounts, bodyOf(entry, "mounts_changed").version);
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
    case "agent.mcp_tool_use": {
      const { mcp_server_name, name, evaluated_permission } = bodyOf(entry, "agent.mcp_tool_use");
      const mcp = { server_name: mcp_server_name, tool_name: name };
      changeCall(thread, entry.id, { kind: "mcp", mcp, permission: evaluated_permission });
      return;
    }
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
      settleCall(state, thread, result.tool_use_id, result.content, result.is_error);
      return;
    }
    case "agent.mcp_tool_result": {
      const { mcp_tool_use_id, content, is_error } = bodyOf(entry, "agent.mcp_tool_result");
      settleCall(state, thread, mcp_tool_use_id, content, is_error);
      return;
    }
    case "mcp_tools_listed":
      state.mcp_servers = withListed(state.mcp_servers, bodyOf(entry, "mcp_tools_listed"));
      return;
    case "mcp_server_failed":
      state.mcp_servers = withServerFailed(state.mcp_servers, bodyOf(entry, "mcp_server_failed"));
      return;
    case "mcp_tools_changed":
      state.mcp_servers = withChanged(state.mcp_servers, bodyOf(entry, "mcp_tools_changed"));
      return;
    case "workspace_restored":
      state.repositories = withoutCertainty(state.repositories);
      state.restore_known = bodyOf(entry, "workspace_restored").restored.id;
      return;
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
      if (thread.status === "idle") state.mcp_servers = withAgainDue(state.mcp_servers);
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
  { files }: State,
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
      content: content.flatMap((block) => contentForModel(block, files)),
      is_error: isError,
    },
  ]);
}
