import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Frame } from "../harness/raw-stream.ts";
import type { ListedEvent } from "../harness/session.ts";
import { type Evidence, problemsOf } from "./checker.ts";

const at = "2026-11-21T12:00:00.000000Z";
const event = (type: string, id: string, more: object = {}) =>
  ({ id, type, processed_at: at, ...more }) as unknown as ListedEvent;

const usage = { input_tokens: 3, output_tokens: 2, cache_read_input_tokens: 0 };

const list: ListedEvent[] = [
  event("user.message", "m1", { content: [{ type: "text", text: "one" }] }),
  event("span.model_request_start", "s1"),
  event("agent.tool_use", "t1", { input: { command: "echo word-1. >> words" } }),
  event("span.model_request_end", "e1", { model_request_start_id: "s1", model_usage: usage }),
  event("agent.tool_result", "r1", { tool_use_id: "t1", is_error: false }),
  event("user.message", "m2", { content: [{ type: "text", text: "two" }] }),
  event("session.status_idle", "i1", { stop_reason: { type: "end_turn" } }),
];

const framesOf = (events: ListedEvent[]): Frame[] =>
  events.map((each, i) => ({ event: each.type, id: `log-${i + 1}`, data: each as unknown as Frame["data"] }));

const good = (): Evidence => ({
  sent: ["m1", "m2"],
  refusedTexts: [],
  session: { id: "sesn_1", status: "idle", usage } as unknown as Evidence["session"],
  list,
  written: "word-1.\n",
  byCursor: framesOf(list),
  withCare: list,
});

const without = (id: string) => list.filter((each) => each.id !== id);
const seenAs = (events: ListedEvent[]) => ({ list: events, withCare: events, byCursor: framesOf(events) });

describe("the checker", () => {
  test("finds nothing where nothing is wrong", () => assert.deepEqual(problemsOf(good()), []));

  const unasked = { ...seenAs([]), sent: [], written: "", session: { ...good().session, usage: {} } };

  test("asks nothing of a session that was asked for nothing", () =>
    assert.deepEqual(problemsOf({ ...good(), ...unasked } as Evidence), []));

  const wrong: [string, Partial<Evidence>, RegExp][] = [
    ["an acknowledged event that is gone", seenAs(without("m2")), /m2 was acknowledged and is not/],
    ["a session that has lost everything", seenAs([]), /m1 was acknowledged(.|\n)*its last event is none/],
    ["events of a session that was asked for nothing", { sent: [] }, /last event is session\.status_idle/],
    ["one that nobody has sent", { sent: ["m1"] }, /m2 .* was not acknowledged/],
    ["another order than they were sent in", { sent: ["m2", "m1"] }, /m1 .* is before one sent earlier/],
    ["a refused message", { refusedTexts: ['[{"type":"text","text":"two"}]'] }, /refused message/],
    ["a repeated event", seenAs([...list.slice(0, 2), ...list.slice(1)]), /repeats 1/],
    ["a call without a result", seenAs(without("r1")), /t1 has no result/],
    [
      "a second result",
      seenAs([...list.slice(0, 5), { ...list[4], id: "r2" } as ListedEvent, ...list.slice(5)]),
      /r2 is a second result/,
    ],
    ["a request without an end", seenAs(without("e1")), /s1 has no end/],
    ["a command that ran twice", { written: "word-1.\nword-1.\n" }, /word-1\. ran 2 times/],
    ["a result of a command that never ran", { written: "" }, /ran 0 times/],
    ["a command that nobody asked for", { written: "word-1.\nword-9.\n" }, /word-9\. ran, and no call/],
    ["a session that does not rest", seenAs(without("i1")), /its last event is user\.message/],
    [
      "usage that does not add up",
      { session: { ...good().session, usage: { ...usage, output_tokens: 3 } } as Evidence["session"] },
      /its usage is/,
    ],
    ["a reader that missed an event", { withCare: without("r1") }, /the careful reader saw 6/],
    [
      "a stream that repeats one",
      { byCursor: framesOf([...list.slice(0, 2), ...list.slice(1)]) },
      /the reader by cursor saw 8/,
    ],
  ];
  for (const [what, changed, problem] of wrong)
    test(`finds ${what}`, () => assert.match(problemsOf({ ...good(), ...changed }).join("\n"), problem));
});
