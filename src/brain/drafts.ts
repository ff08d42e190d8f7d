import { limits } from "../limits.ts";
import type { SessionStatus } from "../log/append.ts";
import { type AnyDraft, type BodyOf, draft, type EntryType } from "../log/entry.ts";
import { type AssistantBlock, type ModelFailure, type ModelUsage, noUsage } from "../models/model.ts";
import type { PricedModel } from "../models/prices.ts";
import {
  type EvaluatedPermission,
  type Evaluation,
  type EventBody,
  isRefusalCategory,
  type SessionErrorObject,
  type UsageSnapshot,
} from "../protocol/events.ts";
import { amountOf, budgetOf } from "../protocol/money.ts";
import { type Action, budgetReached, type TurnFailure } from "./decide.ts";
import { type JudgeCost, type Judgement, type Outcome, threadOf, usageOf } from "./outcome.ts";
import type { AgentFacts } from "./session.ts";
import type { Call, Ending, State, Thread } from "./state.ts";

/** What the writing of entries needs beyond the state. */
export interface Pen {
  agent: AgentFacts;
  newId(): string;
  /** `ms` since 1970, on the database's clock. */
  now: number;
  /** Uniform in [0, 1): spreads retries. */
  random(): number;
  permission(name: string): Permission;
  /** In billionths of a dollar; null when the model has no list price. */
  costOf(model: PricedModel, usage: ModelUsage): number | null;
  money(state: State): SessionMoney;
}

/** What a session has cost at a point in its log, and what it may cost. */
export interface SessionMoney {
  /** In billionths of a dollar; null when its model has no list price. */
  spent_nano: number | null;
  budget_cents: number | null;
  at_cap: boolean;
}

/** What the agent's configuration says of a call, before anybody is asked. */
export type Permission =
  | { kind: "custom" }
  | { kind: "built_in"; evaluated: EvaluatedPermission; evaluation?: Evaluation };

/** Entries, and the status that they leave the session and a thread in. */
export interface Drafts {
  entries: AnyDraft[];
  status?: SessionStatus;
  threads: { id: string; status: SessionStatus }[];
}

const interruptedText = "Tool execution was interrupted before completion. Please retry.";

export const none = (): Drafts => ({ entries: [], threads: [] });

/** The entries that record an action. Pure but for the ids it draws. */
export function draftsOf(action: Action, state: State, pen: Pen): Drafts {
  const { thread } = action;
  const shown = writer(thread, pen, "session");
  const hidden = writer(thread, pen, "internal");
  switch (action.do) {
    case "promote":
      return {
        ...none(),
        entries: [
          draft(
            "promoted",
            { id: pen.newId(), thread_id: thread.id, audience: "internal", of_seq: action.event.seq },
            { reader: 1 },
          ),
        ],
      };
    case "run":
      return {
        entries: [
          shown("session.status_running", {}),
          shown("session.thread_status_running", {
            session_thread_id: thread.id,
            agent_name: pen.agent.name,
          }),
        ],
        status: "running",
        threads: [{ id: thread.id, status: "running" }],
      };
    case "call_model":
      return { ...none(), entries: [shown("span.model_request_start", {})] };
    case "abandon_request":
      return {
        ...none(),
        entries: [
          ...spanEnd(thread, pen, { request_id: action.request_id, usage: noUsage }, true),
          hidden("request_abandoned", { reader: 1, request_id: action.request_id }),
        ],
      };
    case "start_tool":
      return { ...none(), entries: [hidden("tool_started", { reader: 1, tool_use_id: action.call.id })] };
    case "resume_tool":
      return none();
    case "interrupt_call":
      return {
        ...none(),
        entries: [
          shown("agent.tool_result", {
            tool_use_id: action.call.id,
            content: [{ type: "text", text: interruptedText }],
            is_error: true,
          }),
        ],
      };
    case "deny_call":
      return {
        ...none(),
        entries: [
          shown("agent.tool_result", {
            tool_use_id: action.call.id,
            content: [{ type: "text", text: denialText(action.call) }],
            is_error: true,
          }),
        ],
      };
    case "fail_turn":
      return {
        ...none(),
        entries: [
          shown("session.error", { error: turnFailure(action.failure) }),
          hidden("turn_failed", { reader: 1, rejected: false }),
        ],
      };
    case "idle": {
      const { ending } = action;
      const money = pen.money(state);
      return {
        entries: [
          shown("session.thread_status_idle", {
            session_thread_id: thread.id,
            agent_name: pen.agent.name,
            ...ending,
          }),
          shown("session.usage", {
            usage: usageSnapshot(state, pen.now, money.spent_nano),
            budget: money.budget_cents === null ? null : budgetOf(money.budget_cents),
          }),
          // A thread that has ended its turn says so; the session says why it cannot begin another.
          shown(
            "session.status_idle",
            money.at_cap && ending.stop_reason.type === "end_turn" ? budgetReached : ending,
          ),
        ],
        status: "idle",
        threads: [{ id: thread.id, status: "idle" }],
      };
    }
  }
}

/** The entries that record how an effect ended. */
export function outcomeDrafts(outcome: Outcome, state: State, pen: Pen): Drafts {
  const thread = threadOf(state, outcome.thread_id);
  const shown = writer(thread, pen, "session");
  switch (outcome.type) {
    case "tool_finished":
      return {
        ...none(),
        entries: [
          shown("agent.tool_result", {
            tool_use_id: outcome.tool_use_id,
            content: outcome.content,
            is_error: outcome.is_error,
          }),
        ],
      };
    case "model_aborted":
      return { ...none(), entries: spanEnd(thread, pen, outcome, true) };
    case "model_replied":
      return { ...none(), entries: replyEntries(outcome, thread, pen) };
    case "model_failed":
      return failureDrafts(outcome, thread, pen);
  }
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
      entries.push(...calls);
    }
  }
  flushTexts();
  const reply = hidden("model_reply", {
    reader: 1,
    request_id: outcome.request_id,
    // What was refused is not shown to the model again: it would refuse the next turn too.
    content: refused ? [] : outcome.content.filter((block) => block.type !== "text" || block.text !== ""),
    call_ids: callIds,
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
  const allowed = permission.kind === "built_in" && block.malformed === undefined;
  const evaluated = allowed ? permission.evaluated : "deny";
  const call = shown("agent.tool_use", {
    name: block.name,
    input: block.input,
    evaluated_permission: evaluated,
    ...(allowed && permission.evaluation ? { evaluation: permission.evaluation } : {}),
  });
  if (evaluated !== "deny") return [call];
  return [
    call,
    shown("agent.tool_result", {
      tool_use_id: call.id,
      content: [{ type: "text", text: refusalText(block, permission) }],
      is_error: true,
    }),
  ];
}

/** What the client sees of a judgement, outside and inside `evaluation`: always the same. */
export const autoPermission = (judgement: Judgement): Permission => ({
  kind: "built_in",
  evaluated: judgement.type,
  evaluation: { type: "auto", evaluated_permission: judgement },
});

function judgedPermission(permission: Permission, judgement: Judgement | null): Permission {
  const isAuto = permission.kind === "built_in" && permission.evaluation?.type === "auto";
  return isAuto && judgement ? autoPermission(judgement) : permission;
}

function refusalText(block: Extract<AssistantBlock, { type: "tool_use" }>, permission: Permission): string {
  if (block.malformed !== undefined) {
    return `The arguments were not a JSON object: ${block.malformed.slice(0, 500)}`;
  }
  const judged = permission.kind === "built_in" && permission.evaluation?.type === "auto";
  return judged
    ? "The call was judged too risky to run. Find another way, or ask the user."
    : `The tool "${block.name}" is not enabled in this session.`;
}

const denialText = ({ confirmation }: Call): string =>
  confirmation?.deny_message
    ? `The user rejected this call: ${confirmation.deny_message}`
    : "The user rejected this call.";

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
    not_configured: "model_request_failed_error",
  } as const;
  return { type: types[failure.kind], message: failure.message, retry_status: { type: status } };
}

function turnFailure(failure: TurnFailure): SessionErrorObject {
  const retry_status = { type: "exhausted" } as const;
  switch (failure.of) {
    case "tool_rounds":
      return {
        type: "tool_use_limit_reached_error",
        message: `The turn reached ${limits.tool_rounds_max} rounds of tool use. Send a message to go on.`,
        retry_status,
      };
    case "turn_time":
      return {
        type: "unknown_error",
        message: `The turn reached ${limits.turn_ms_max / 3_600_000} hours, the most that one may take. Send a message to go on.`,
        retry_status,
      };
    case "cap":
      return { type: "billing_error", message: failure.message, retry_status };
    case "orphans":
      return {
        type: "unknown_error",
        message: `The server died ${limits.model_orphans_max} times in a row during this model request, so it is not tried again.`,
        retry_status,
      };
  }
}

/** The end of a model request, and what it has cost. */
function spanEnd(
  thread: Thread,
  pen: Pen,
  request: { request_id: string; usage: ModelUsage; judge?: JudgeCost | null },
  isError: boolean,
): AnyDraft[] {
  const { model } = pen.agent;
  const { request_id, judge = null } = request;
  const usage = usageOf({ usage: request.usage, judge });
  const end = writer(
    thread,
    pen,
    "session",
  )("span.model_request_end", {
    model_request_start_id: request_id,
    is_error: isError,
    model_usage: {
      input_tokens: usage.input_tokens,
      output_tokens: usage.output_tokens,
      cache_creation_input_tokens:
        usage.cache_creation_5m_input_tokens + usage.cache_creation_1h_input_tokens,
      cache_read_input_tokens: usage.cache_read_input_tokens,
      speed: model.speed ?? "standard",
    },
  });
  if (Object.values(usage).every((tokens) => tokens === 0)) return [end];
  const cost = pen.costOf(model, request.usage);
  const judging = judge && pen.costOf({ id: judge.model }, judge.usage);
  const nano_dollars = cost === null ? null : cost + (judging ?? 0);
  return [end, writer(thread, pen, "internal")("charged", { reader: 1, request_id, usage, nano_dollars })];
}

/** Cumulative usage of a session at a time, in `ms` since 1970, and its cost in billionths of a dollar. */
export function usageSnapshot(state: State, now: number, spentNano: number | null): UsageSnapshot {
  const runningMs = state.running_since === null ? 0 : Math.max(0, now - state.running_since);
  return {
    input_tokens: state.usage.input_tokens,
    output_tokens: state.usage.output_tokens,
    cache_read_input_tokens: state.usage.cache_read_input_tokens,
    cache_creation: {
      ephemeral_5m_input_tokens: state.usage.cache_creation_5m_input_tokens,
      ephemeral_1h_input_tokens: state.usage.cache_creation_1h_input_tokens,
    },
    active_seconds: (state.active_ms + runningMs) / 1000,
    ...(spentNano !== null && { list_cost: amountOf(spentNano) }),
  };
}

type Writer = <T extends EntryType>(type: T, body: BodyOf<T>, id?: string) => AnyDraft;

const writer =
  (thread: Thread, pen: Pen, audience: "session" | "internal"): Writer =>
  (type, body, id = pen.newId()) =>
    draft(type, { id, thread_id: thread.id, audience }, body);
