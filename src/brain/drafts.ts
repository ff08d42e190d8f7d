import { limits } from "../limits.ts";
import { draft } from "../log/entry.ts";
import { primaryThreadOf } from "../log/thread-id.ts";
import { noUsage } from "../models/model.ts";
import type { SessionErrorObject, UsageSnapshot } from "../protocol/events.ts";
import { amountOf, budgetOf } from "../protocol/money.ts";
import { toolNamed } from "../tools/toolset.ts";
import { type Action, budgetReached, type TurnFailure } from "./decide.ts";
import { interruptedSetup, setupEnd } from "./environment-setup.ts";
import { type Drafts, none, type Pen, resultEntry, spanEnd, writer } from "./pen.ts";
import type { SessionFacts } from "./session.ts";
import { type Call, type State, storedState } from "./state.ts";
import { unreachableDrafts } from "./unreachable.ts";

const interruptedText = "Tool execution was interrupted before completion. Please retry.";

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
          ...unreachableDrafts(thread, action.event, pen),
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
    case "clear_results":
      return {
        ...none(),
        entries: [
          hidden("results_cleared", { reader: 1, vendor_ids: action.vendor_ids }),
          shown("agent.thread_context_compacted", {}),
        ],
      };
    case "compact":
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
    case "set_up":
      return { ...none(), entries: [shown("span.environment_setup_start", {})] };
    case "resume_setup":
    case "list_mcp":
      return none();
    case "abandon_setup":
      return { ...none(), entries: [setupEnd(thread, action.setup_id, interruptedSetup, pen)] };
    case "start_tool":
    case "resume_tool": {
      // What was begun in a sandbox is found again there. What was begun in the server is begun anew, and counted.
      if (action.do === "resume_tool" && toolNamed(action.call.name)) return none();
      return { ...none(), entries: [hidden("tool_started", { reader: 1, tool_use_id: action.call.id })] };
    }
    case "interrupt_call": {
      const content = [{ type: "text" as const, text: interruptedText }];
      return { ...none(), entries: [resultEntry(action.call, { content, is_error: true }, shown)] };
    }
    case "deny_call": {
      const { id, kind } = action.call;
      const content = [{ type: "text" as const, text: denialText(action.call) }];
      // The client has refused it, whoever was to run it.
      const settled = { id, kind: kind === "mcp" ? kind : ("built_in" as const) };
      return { ...none(), entries: [resultEntry(settled, { content, is_error: true }, shown)] };
    }
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

/** All that the state holds, for those who begin to read here. */
export const checkpointDrafts = (state: State, { session_id }: SessionFacts, pen: Pen): Drafts => ({
  ...none(),
  entries: [
    draft(
      "checkpoint",
      { id: pen.newId(), thread_id: primaryThreadOf(session_id), audience: "internal" },
      { reader: 1, state: storedState(state) },
    ),
  ],
});

/** What was set up is in the sandbox of another session. */
export const leftDrafts = ({ session_id }: SessionFacts, pen: Pen): Drafts => ({
  ...none(),
  entries: [
    draft(
      "environment_left",
      { id: pen.newId(), thread_id: primaryThreadOf(session_id), audience: "internal" },
      { reader: 1 },
    ),
  ],
});

const denialText = ({ confirmation }: Call): string =>
  confirmation?.deny_message
    ? `The user rejected this call: ${confirmation.deny_message}`
    : "The user rejected this call.";

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
    case "compactions":
      return {
        type: "compaction_limit_reached_error",
        message:
          "The conversation is too long for the model, and summing it up does not make enough room. Send less at a time, or begin a new session.",
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
    server_tool_use: { web_search_requests: state.web_searches, web_fetch_requests: 0 },
    active_seconds: (state.active_ms + runningMs) / 1000,
    ...(spentNano !== null && { list_cost: amountOf(spentNano) }),
  };
}
