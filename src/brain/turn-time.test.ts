import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { limits } from "../limits.ts";
import type { BodyOf, Entry, EntryType } from "../log/entry.ts";
import { draft } from "../log/entry.ts";
import { noUsage } from "../models/model.ts";
import { decide } from "./decide.ts";
import { fold } from "./fold.ts";

const hour = 3_600_000;
const longest = limits.turn_ms_max / hour;
const start = Date.parse("2026-01-01T00:00:00Z");
const thread = { session_thread_id: "sthr_t", agent_name: "tester" };

/** A log, each entry at an hour after the start. */
function logOf(...parts: [hours: number, write: Part][]): Entry[] {
  return parts.flatMap(([hours, write]) => write(hours)).map((entry, i) => ({ ...entry, seq: i + 1 }));
}
type Part = (hours: number) => Entry[];

function entry<T extends EntryType>(hours: number, type: T, body: BodyOf<T>, of_seq?: number): Entry {
  const audience = type === "user.message" ? "queued" : "session";
  return {
    ...draft(type, { id: `sevt_${type}`, thread_id: "sthr_t", audience, of_seq }, body),
    seq: 0,
    session_id: "sesn_s",
    created_at: new Date(start + hours * hour).toISOString(),
  };
}

const runs: Part = (hours) => [
  entry(hours, "session.status_running", {}),
  entry(hours, "session.thread_status_running", thread),
];
const idles =
  (stop_reason: BodyOf<"session.status_idle">["stop_reason"]): Part =>
  (hours) => [
    entry(hours, "session.thread_status_idle", { ...thread, stop_reason, stop_details: null }),
    entry(hours, "session.status_idle", { stop_reason, stop_details: null }),
  ];
const asks = idles({ type: "requires_action", event_ids: ["sevt_agent.custom_tool_use"] });
const begins: Part = (hours) => [
  entry(hours, "user.message", { content: [{ type: "text", text: "Go" }] }),
  ...runs(hours),
  entry(hours, "promoted", { reader: 1 }, 1),
  entry(hours, "span.model_request_start", {}),
];
const answers =
  (content: BodyOf<"model_reply">["content"]): Part =>
  (hours) => [
    entry(hours, "model_reply", {
      reader: 1,
      request_id: "sevt_span.model_request_start",
      content,
      context_tokens: 10,
      call_ids: { toolu_1: "sevt_agent.custom_tool_use" },
      ending: { stop_reason: { type: "end_turn" }, stop_details: null },
    }),
    ...(content[0]?.type === "tool_use"
      ? [entry(hours, "agent.custom_tool_use", { name: "weather", input: {} })]
      : []),
    entry(hours, "span.model_request_end", {
      model_request_start_id: "sevt_span.model_request_start",
      is_error: false,
      model_usage: {
        input_tokens: 1,
        output_tokens: 1,
        cache_creation_input_tokens: 0,
        cache_read_input_tokens: 0,
        speed: "standard",
      },
    }),
    entry(hours, "charged", { reader: 1, request_id: "", usage: noUsage, nano_dollars: 0 }),
  ];
const calls = answers([{ type: "tool_use", id: "toolu_1", name: "weather", input: {} }]);
const says = answers([{ type: "text", text: "Done." }]);
const result: Part = (hours) => [
  entry(hours, "user.custom_tool_result", {
    custom_tool_use_id: "sevt_agent.custom_tool_use",
    content: [],
    is_error: false,
  }),
];
const retries =
  (at: number): Part =>
  (hours) => [
    entry(hours, "retry_scheduled", {
      reader: 1,
      request_id: "",
      retry_at: new Date(start + at * hour).toISOString(),
    }),
    entry(hours, "span.model_request_end", {
      model_request_start_id: "sevt_span.model_request_start",
      is_error: true,
      model_usage: {
        input_tokens: 0,
        output_tokens: 0,
        cache_creation_input_tokens: 0,
        cache_read_input_tokens: 0,
        speed: "standard",
      },
    }),
    entry(hours, "session.thread_status_rescheduled", thread),
    entry(hours, "session.status_rescheduled", {}),
  ];

const planAt = (log: Entry[], hours: number) => decide(fold(log), new Set(), start + hours * hour);
const doneAt = (log: Entry[], hours: number) => planAt(log, hours).actions.map((action) => action.do);

describe("the time of a turn", () => {
  const answered = logOf([0, begins], [1, calls], [2, asks], [100, result], [100, runs]);

  test("leaves out the wait for the client, and counts what was before it", () => {
    assert.deepEqual(doneAt(answered, 100 + longest - 2.1), ["call_model"]);
    assert.deepEqual(doneAt(answered, 100 + longest - 2), ["fail_turn"]);
  });

  test("leaves out the wait for a budget to be raised, and counts what was before it", () => {
    const raised = logOf(
      [0, begins],
      [1, calls],
      [1, result],
      [2, idles({ type: "budget_reached" })],
      [100, runs],
    );
    assert.deepEqual(doneAt(raised, 100 + longest - 2.1), ["call_model"]);
    assert.deepEqual(doneAt(raised, 100 + longest - 2), ["fail_turn"]);
  });

  test("begins anew with the next turn", () => {
    const next = logOf([0, begins], [1, says], [2, idles({ type: "end_turn" })], [3, runs]);
    assert.equal(planAt(next, 3).next, start + (3 + longest) * hour);
  });

  test("counts the wait for a retry, and ends it", () => {
    const pause = 1 / 128;
    const soon = logOf([0, begins], [1, retries(1 + pause)]);
    assert.deepEqual(planAt(soon, 1).park, { after_ms: pause * hour });
    const late = logOf([0, begins], [longest - pause, retries(longest + pause)]);
    assert.deepEqual(planAt(late, longest - pause).park, { after_ms: pause * hour });
    assert.deepEqual(doneAt(late, longest), ["fail_turn"]);
    const again = logOf([0, begins], [1, retries(2)], [3, runs]);
    assert.deepEqual(doneAt(again, longest), ["fail_turn"]);
  });

  test("does not undo an answer that has come", () => {
    assert.deepEqual(doneAt(logOf([0, begins], [1, says]), longest + 1), ["idle"]);
  });
});
