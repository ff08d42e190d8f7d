import assert from "node:assert/strict";
import { test } from "node:test";
import type { SessionEvent, UsageSnapshot } from "../../../src/protocol/events.ts";
import { Spans } from "./spans.ts";
import { Transcript } from "./transcript.ts";

let second = 0;
const at = () => new Date(Date.UTC(2026, 0, 1, 0, 0, second++)).toISOString();

/** An event of which only what matters is written down. */
const event = (type: SessionEvent["type"], rest: object = {}): SessionEvent =>
  ({ id: `sevt_${second}`, processed_at: at(), type, ...rest }) as SessionEvent;

const usage = (input_tokens: number, cents: number): UsageSnapshot => ({
  input_tokens,
  output_tokens: 1,
  cache_read_input_tokens: 0,
  cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 },
  server_tool_use: { web_search_requests: 0, web_fetch_requests: 0 },
  active_seconds: 1,
  list_cost: { amount: String(cents), currency: "USD" },
});

const kinds = (transcript: Transcript) => transcript.items.map(({ kind }) => kind);

test("a message that waits is shown apart, and stands where it was taken up", () => {
  const transcript = new Transcript();
  transcript.add(
    event("user.message", { id: "m", processed_at: null, content: [{ type: "text", text: "a" }] }),
  );
  assert.deepEqual([...transcript.queued.keys()], ["m"]);
  transcript.add(event("agent.message", { content: [] }));
  transcript.add(event("user.message", { id: "m", content: [{ type: "text", text: "a" }] }));
  assert.equal(transcript.queued.size, 0);
  assert.deepEqual(
    transcript.items.map(({ id }) => id === "m"),
    [false, true],
  );
});

test("what is being written becomes the message in its place; what never came is forgotten", () => {
  const transcript = new Transcript();
  transcript.begin("a", "agent.message");
  transcript.write("a", "Hel");
  transcript.write("a", "lo");
  const [writing] = transcript.items;
  assert.equal(writing?.kind === "writing" && writing.text, "Hello");
  transcript.add(event("agent.message", { id: "a", content: [{ type: "text", text: "Hello" }] }));
  transcript.begin("b", "agent.message");
  transcript.begin("c", "agent.thinking");
  assert.deepEqual(kinds(transcript), ["message", "writing", "thinking"]);
  transcript.forgetPreviews();
  assert.deepEqual(kinds(transcript), ["message"]);
  transcript.begin("d", "agent.message");
  transcript.write("d", "again");
  assert.deepEqual(kinds(transcript), ["message", "writing"]);
});

test("an answer that was broken off is gone when its request has ended, and is not said a second time", () => {
  for (const end of [
    event("span.model_request_end", { is_error: true }),
    event("span.model_request_start"),
    event("session.status_idle", { stop_reason: { type: "end_turn" } }),
    event("session.status_terminated"),
  ]) {
    const transcript = new Transcript();
    transcript.add(event("span.model_request_start"));
    transcript.begin("a", "agent.message");
    transcript.write("a", "Hel");
    transcript.add(end);
    assert.ok(!kinds(transcript).includes("writing"), end.type);
    transcript.write("a", "lo");
    transcript.begin("b", "agent.message");
    transcript.write("b", "Hello");
    const item = transcript.items.at(-1);
    assert.equal(item?.kind === "writing" && item.text, "Hello");
  }
});

test("a session whose budget is spent says so until it is changed or goes on", () => {
  const limit = (amount: string) => ({ type: "limit", max_list_cost: { amount, currency: "USD" } });
  const transcript = new Transcript();
  const spend = () => {
    transcript.add(event("session.usage", { usage: usage(10, 60), budget: limit("50") }));
    transcript.add(event("session.status_idle", { stop_reason: { type: "budget_reached" } }));
    assert.equal(transcript.spent?.max_list_cost.amount, "50");
  };
  spend();
  transcript.add(event("session.updated", { title: "Another" }));
  assert.ok(transcript.spent);
  transcript.add(event("session.updated", { budget: limit("100") }));
  assert.equal(transcript.spent, null);
  spend();
  transcript.add(event("session.status_running"));
  assert.equal(transcript.spent, null);
});

test("a session that was archived or deleted has ended, and what waited in it does not any more", () => {
  for (const type of ["session.status_terminated", "session.deleted"] as const) {
    const transcript = new Transcript();
    transcript.add(
      event("session.status_idle", { stop_reason: { type: "requires_action", event_ids: ["a"] } }),
    );
    assert.equal(transcript.ended, false);
    transcript.add(event(type));
    assert.equal(transcript.ended, true);
    assert.deepEqual(transcript.waiting, []);
  }
});

test("a call is one item, replaced with each thing that becomes known of it", () => {
  const transcript = new Transcript();
  const use = event("agent.tool_use", { name: "bash", input: {}, evaluated_permission: "ask" });
  transcript.add(use);
  const [before] = transcript.items;
  transcript.add(
    event("session.status_idle", { stop_reason: { type: "requires_action", event_ids: [use.id] } }),
  );
  assert.deepEqual(transcript.waiting, [use.id]);
  transcript.add(event("user.tool_confirmation", { tool_use_id: use.id, result: "allow" }));
  assert.deepEqual(transcript.waiting, []);
  transcript.add(event("agent.tool_result", { tool_use_id: use.id, content: [], is_error: false }));
  const [after] = transcript.items;
  assert.notEqual(after, before);
  assert.equal(after?.kind === "tool" && after.answer?.result, "allow");
  assert.equal(after?.kind === "tool" && after.result?.is_error, false);
  assert.equal(transcript.items.length, 1);
});

test("a turn ends with what it alone has used, waits for a person included", () => {
  const transcript = new Transcript();
  const idle = (reason: object) => event("session.status_idle", { stop_reason: reason });
  transcript.add(event("session.status_running"));
  transcript.add(event("session.usage", { usage: usage(10, 3) }));
  transcript.add(idle({ type: "end_turn" }));
  transcript.add(event("session.status_running"));
  transcript.add(event("session.usage", { usage: usage(30, 5) }));
  transcript.add(idle({ type: "requires_action", event_ids: ["x"] }));
  transcript.add(event("session.status_running"));
  transcript.add(event("session.usage", { usage: usage(60, 9) }));
  transcript.add(idle({ type: "end_turn" }));
  assert.deepEqual(
    transcript.items.map((item) => item.kind === "turn_end" && [item.used?.tokens_in, item.used?.cost]),
    [
      [10, 3],
      [50, 6],
    ],
  );
});

test("spans end with what ends them, and with the turn at the latest", () => {
  const spans = new Spans();
  const start = event("span.model_request_start");
  const use = event("agent.tool_use", { name: "bash", input: { command: "ls  /" } });
  for (const one of [
    event("session.status_running"),
    start,
    event("span.model_request_end", {
      model_request_start_id: start.id,
      is_error: true,
      model_usage: {
        input_tokens: 1,
        cache_read_input_tokens: 20,
        cache_creation_input_tokens: 300,
        output_tokens: 4,
        speed: "standard",
      },
    }),
    use,
    event("session.status_rescheduled"),
    event("session.status_running"),
    event("session.status_idle", { stop_reason: { type: "end_turn" } }),
  ])
    spans.add(one);
  assert.deepEqual(
    spans.spans.flatMap(({ gist }) => gist ?? []),
    ["ls /"],
  );
  assert.deepEqual(
    spans.spans.map(({ kind, failed, end }) => [kind, failed, end !== null]),
    [
      ["turn", false, true],
      ["model", true, true],
      ["tool", false, true],
      ["retry", false, true],
    ],
  );
  assert.deepEqual(spans.spans[1]?.tokens, { input: 321, output: 4 });
});

test("what a clock that was set back says to have ended before it began has taken no time", () => {
  const spans = new Spans();
  const time = (second: number) => ({
    processed_at: new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString(),
  });
  spans.add(event("agent.tool_use", { id: "a", name: "bash", input: {}, ...time(30) }));
  spans.add(event("agent.tool_result", { tool_use_id: "a", content: [], is_error: false, ...time(10) }));
  const [only] = spans.spans;
  assert.equal(only?.end, only?.start);
});
