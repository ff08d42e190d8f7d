import { limits } from "../limits.ts";
import type { AnyDraft } from "../log/entry.ts";
import { type AssistantBlock, type ModelFailure, noUsage, promptTokens } from "../models/model.ts";
import { type EventBody, isRefusalCategory, type SessionErrorObject } from "../protocol/events.ts";
import { ongoingDrafts, setupDrafts } from "./environment-setup.ts";
import { changedDrafts, listedDrafts, serverFailed } from "./mcp.ts";
import { type Judgement, type Outcome, threadOf } from "./outcome.ts";
import { costOf, type Drafts, none, type Pen, type Permission, resultEntry, spanEnd, writer } from "./pen.ts";
import { restoredNote } from "./restoring.ts";
import type { Call, Ending, State, Thread } from "./state.ts";

/** The entries that record how an effect ended. */
export function outcomeDrafts(outcome: Outcome, state: State, pen: Pen): Drafts {
  const thread = threadOf(state, outcome.thread_id);
  const shown = writer(thread, pen, "session");
  switch (outcome.type) {
    case "tool_finished": {
      const { tool_use_id, is_error, recovery, network, restored } = outcome;
      const told = toldOfRepositories(state, thread, pen);
      const content = [...outcome.content, ...told.content];
      const extra = { ...(recovery && { recovery }), ...(network && { network }) };
      const result = { content, is_error, ...extra };
      const call = thread.calls.find(({ id }) => id === tool_use_id);
      const settled = call ?? { id: tool_use_id, kind: "built_in" as const };
      const before = [...failedServer(outcome, call, state, thread, pen), ...told.entries];
      if (!restored || restored.id === state.restore_known) {
        return {
          ...none(),
          entries: [...before, resultEntry(settled, result, shown), ...searchEntries(outcome, thread, pen)],
        };
      }
      const note = {
        type: "text",
        text: restoredNote(restored, state.sandbox_call, state.restore_known),
      } as const;
      const hidden = writer(thread, pen, "internal");
      return {
        ...none(),
        entries: [
          ...before,
          hidden("workspace_restored", { reader: 1, tool_use_id, restored }),
          resultEntry(settled, { ...result, content: [...content, note] }, shown),
        ],
      };
    }
    case "setup_ongoing":
      return ongoingDrafts(outcome, state, pen);
    case "setup_ended":
      return setupDrafts(outcome, state, pen);
    case "mcp_listed":
      return listedDrafts(outcome.server, outcome.result, state, thread, pen);
    case "mcp_changed":
      return changedDrafts(outcome, state, thread, pen);
    case "model_aborted":
      return { ...none(), entries: spanEnd(thread, pen, outcome, true) };
    case "model_replied":
      return { ...none(), entries: replyEntries(outcome, thread, pen) };
    case "summarised": {
      const { request_id, summary } = outcome;
      const hidden = writer(thread, pen, "internal");
      return {
        ...none(),
        entries: [
          hidden("compaction", { reader: 1, request_id, summary }),
          ...spanEnd(thread, pen, outcome, false),
          shown("agent.thread_context_compacted", {}),
        ],
      };
    }
    case "model_failed":
      return failureDrafts(outcome, thread, pen);
  }
}

/** Of a call that its MCP server never got, or would not take from us. */
function failedServer(
  { failure }: Extract<Outcome, { type: "tool_finished" }>,
  call: Call | undefined,
  state: State,
  thread: Thread,
  pen: Pen,
): AnyDraft[] {
  if (!failure || !call?.mcp) return [];
  return serverFailed({ ...failure, server_name: call.mcp.server_name }, state, thread, pen);
}

/** What the model has not heard of yet goes with the first result that comes. */
function toldOfRepositories({ repository_notes: notes }: State, thread: Thread, pen: Pen) {
  if (notes.length === 0) return { content: [], entries: [] };
  return {
    content: [{ type: "text" as const, text: `[${notes.join("\n")}]` }],
    entries: [writer(thread, pen, "internal")("repositories_told", { reader: 3 })],
  };
}

/** What a call has searched the web for, and what that took. */
function searchEntries(
  { tool_use_id, web_searches: requests = 0, model_use }: Extract<Outcome, { type: "tool_finished" }>,
  thread: Thread,
  pen: Pen,
): AnyDraft[] {
  const { usage } = model_use ?? { usage: noUsage };
  if (requests === 0 && Object.values(usage).every((tokens) => tokens === 0)) return [];
  const tokens = model_use ? costOf({ ...model_use, model: { id: model_use.model } }, pen) : null;
  const nano_dollars = requests * pen.search_nano + (tokens ?? 0);
  return [
    writer(
      thread,
      pen,
      "internal",
    )("searched", {
      reader: 1,
      tool_use_id,
      requests,
      nano_dollars,
      ...(model_use && { usage, model: model_use.model, tokens_nano_dollars: tokens }),
    }),
  ];
}

function replyEntries(
  outcome: Extract<Outcome, { type: "model_replied" }>,
  thread: Thread,
  pen: Pen,
): AnyDraft[] {
  const shown = writer(thread, pen, "session");
  const hidden = writer(thread, pen, "internal");
  const refused = outcome.stop.reason === "refusal";
  const messageIds = [...outcome.previewed.messages];
  const thinkingIds = [...outcome.previewed.thinking];
  const thought = () => shown("agent.thinking", {}, thinkingIds.shift());
  const callIds: Record<string, string> = {};
  const workerCalls: string[] = [];
  const entries: AnyDraft[] = [];
  let texts: EventBody<"agent.message">["content"] = [];
  const flushTexts = () => {
    if (texts.length > 0) entries.push(shown("agent.message", { content: texts }, messageIds.shift()));
    texts = [];
  };
  for (const [i, block] of outcome.content.entries()) {
    if (block.type === "text") {
      if (block.text !== "") texts.push({ type: "text", text: block.text });
      continue;
    }
    flushTexts();
    if (block.type !== "tool_use") {
      entries.push(thought());
    } else if (!refused) {
      const calls = callEntries(block, outcome.judgements[i] ?? null, thread, pen);
      callIds[block.id] = calls[0]?.id ?? "";
      if (calls[0]?.type === "agent.tool_use" && pen.runnerOf(block.name) === "worker")
        workerCalls.push(block.id);
      entries.push(...calls);
    }
  }
  flushTexts();
  const reply = hidden("model_reply", {
    reader: workerCalls.length > 0 ? 2 : 1,
    request_id: outcome.request_id,
    context_tokens: promptTokens(outcome.usage) + outcome.usage.output_tokens,
    // What was refused is not shown to the model again: it would refuse the next turn too.
    content: refused ? [] : outcome.content.filter((block) => block.type !== "text" || block.text !== ""),
    ...(outcome.served_by ? { served_by: outcome.served_by } : {}),
    call_ids: callIds,
    ...(workerCalls.length > 0 && { worker_calls: workerCalls }),
    ending: endingOf(outcome),
  });
  return [reply, ...entries, ...spanEnd(thread, pen, outcome, false)];
}

/** The call, and with it the result where that is already known. */
function callEntries(
  block: Extract<AssistantBlock, { type: "tool_use" }>,
  judgement: Judgement | null,
  thread: Thread,
  pen: Pen,
): AnyDraft[] {
  const shown = writer(thread, pen, "session");
  const permission = judgedPermission(pen.permission(block.name), judgement);
  if (permission.kind === "custom" && block.malformed === undefined) {
    return [shown("agent.custom_tool_use", { name: block.name, input: block.input })];
  }
  const allowed = permission.kind !== "custom" && block.malformed === undefined;
  const evaluated = allowed ? permission.evaluated : "deny";
  const how = {
    input: block.input,
    evaluated_permission: evaluated,
    ...(allowed && permission.evaluation ? { evaluation: permission.evaluation } : {}),
  };
  const call =
    permission.kind === "mcp"
      ? shown("agent.mcp_tool_use", {
          mcp_server_name: permission.server_name,
          name: permission.tool_name,
          ...how,
        })
      : shown("agent.tool_use", { name: block.name, ...how });
  if (evaluated !== "deny") return [call];
  const content = [{ type: "text" as const, text: refusalText(block, permission) }];
  const kind = permission.kind === "mcp" ? "mcp" : "built_in";
  return [call, resultEntry({ id: call.id, kind }, { content, is_error: true }, shown)];
}

/** What the client sees of a judgement, outside and inside `evaluation`: always the same. */
export const autoEvaluated = (judgement: Judgement) => ({
  evaluated: judgement.type,
  evaluation: { type: "auto" as const, evaluated_permission: judgement },
});

function judgedPermission(permission: Permission, judgement: Judgement | null): Permission {
  const isAuto = permission.kind !== "custom" && permission.evaluation?.type === "auto";
  return isAuto && judgement ? { ...permission, ...autoEvaluated(judgement) } : permission;
}

function refusalText(block: Extract<AssistantBlock, { type: "tool_use" }>, permission: Permission): string {
  if (block.malformed !== undefined) {
    return `The arguments were not a JSON object: ${block.malformed.slice(0, 500)}`;
  }
  const judged = permission.kind !== "custom" && permission.evaluation?.type === "auto";
  return judged
    ? "The call was judged too risky to run. Find another way, or ask the user."
    : `The tool "${block.name}" is not enabled in this session.`;
}

function endingOf({ stop }: Extract<Outcome, { type: "model_replied" }>): Ending {
  if (stop.reason !== "refusal") return { stop_reason: { type: "end_turn" }, stop_details: null };
  const { category, explanation } = stop;
  return {
    stop_reason: { type: "refusal" },
    stop_details: { type: "refusal", category: isRefusalCategory(category) ? category : null, explanation },
  };
}

function failureDrafts(
  outcome: Extract<Outcome, { type: "model_failed" }>,
  thread: Thread,
  pen: Pen,
): Drafts {
  const shown = writer(thread, pen, "session");
  const hidden = writer(thread, pen, "internal");
  const { failure } = outcome;
  const end = spanEnd(thread, pen, outcome, true);
  if (failure.kind === "too_long") {
    return {
      ...none(),
      entries: [...end, hidden("context_exceeded", { reader: 1, request_id: outcome.request_id })],
    };
  }
  if (!failure.retryable || thread.failures >= limits.model_retries_max) {
    return {
      ...none(),
      entries: [
        ...end,
        shown("session.error", { error: modelError(failure, "exhausted") }),
        hidden("turn_failed", { reader: 1, rejected: failure.kind === "rejected" }),
      ],
    };
  }
  const retryAt = new Date(pen.now + retryDelay(failure, thread.failures, pen.random()));
  return {
    entries: [
      ...end,
      shown("session.error", { error: modelError(failure, "retrying") }),
      hidden("retry_scheduled", {
        reader: 1,
        request_id: outcome.request_id,
        retry_at: retryAt.toISOString(),
      }),
      shown("session.thread_status_rescheduled", {
        session_thread_id: thread.id,
        agent_name: pen.agent.name,
      }),
      shown("session.status_rescheduled", {}),
    ],
    status: "rescheduling",
    threads: [{ id: thread.id, status: "rescheduling" }],
  };
}

/** In `ms`: doubled with each failure, half of it by chance, and no less than the upstream asked for, within the longest wait. */
export function retryDelay(failure: ModelFailure, failures: number, random: number): number {
  const backoff = Math.min(limits.model_retry_first_ms * 2 ** failures, limits.model_retry_longest_ms);
  const asked = Math.min(failure.retry_after_ms ?? 0, limits.model_retry_longest_ms);
  return Math.max(asked, Math.round(backoff * (0.5 + random / 2)));
}

function modelError(failure: ModelFailure, status: "retrying" | "exhausted"): SessionErrorObject {
  const types = {
    overloaded: "model_overloaded_error",
    rate_limited: "model_rate_limited_error",
    billing: "billing_error",
    unavailable: "model_request_failed_error",
    authentication: "model_request_failed_error",
    rejected: "model_request_failed_error",
    too_long: "model_request_failed_error",
    not_configured: "model_request_failed_error",
  } as const;
  return { type: types[failure.kind], message: failure.message, retry_status: { type: status } };
}
