import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Frame } from "../harness/raw-stream.ts";
import type { ListedEvent } from "../harness/session.ts";
import { type Evidence, problemsOf } from "./checker.ts";
import type { HostHarm } from "./losses.ts";
import type { Workspace } from "./workspaces.ts";

type Session = Evidence["session"];

const at = "2026-11-21T12:00:00.000000Z";
const event = (type: string, id: string, more: object = {}) =>
  ({ id, type, processed_at: at, ...more }) as unknown as ListedEvent;

const usage = { input_tokens: 3, output_tokens: 2, cache_read_input_tokens: 0 };

const list: ListedEvent[] = [
  event("user.message", "m1", { content: [{ type: "text", text: "one" }] }),
  event("span.model_request_start", "s1"),
  event("agent.tool_use", "t1", { name: "bash", input: { command: "echo word-1. >> words" } }),
  event("span.model_request_end", "e1", { model_request_start_id: "s1", model_usage: usage }),
  event("agent.tool_result", "r1", { tool_use_id: "t1", is_error: false }),
  event("user.message", "m2", { content: [{ type: "text", text: "two" }] }),
  event("session.status_idle", "i1", { stop_reason: { type: "end_turn" } }),
];

const frameOf = (data: object, i: number): Frame =>
  ({ event: "", id: `log-${i + 1}`, data }) as unknown as Frame;

/** Messages are on a stream twice: when they arrive, and when they are taken up. */
const framesOf = (events: ListedEvent[]): Frame[] =>
  events
    .flatMap((each): object[] =>
      each.type === "user.message" ? [{ ...each, processed_at: null }, each] : [each],
    )
    .map(frameOf);

const written = (...lines: string[]): Workspace => ({ host: "hands-1", generation: 0, lines });
const elsewhere = (...lines: string[]): Workspace => ({ host: "hands-2", generation: 1, lines });

const good = (): Evidence => ({
  sent: ["m1", "m2"],
  refusedTexts: [],
  session: { id: "sesn_1", status: "idle", usage } as unknown as Session,
  list,
  workspaces: [written("word-1. a")],
  sent_ms: new Map([
    ["m1", 1_000],
    ["m2", 5_000],
  ]),
  seen_ms: new Map([["r1", 4_000]]),
  hostHarms: [],
  hostIds: new Map([["host_1", "hands-1"]]),
  byCursor: framesOf(list),
  withCare: list,
});

const without = (id: string) => list.filter((each) => each.id !== id);
const seenAs = (events: ListedEvent[]) => ({ list: events, withCare: events, byCursor: framesOf(events) });

describe("the checker", () => {
  test("finds nothing where nothing is wrong", () => assert.deepEqual(problemsOf(good()), []));

  const asks = { type: "requires_action", event_ids: ["t1"] };
  const unasked = { ...seenAs([]), sent: [], workspaces: [], session: { ...good().session, usage: {} } };

  test("asks nothing of a session that was asked for nothing", () =>
    assert.deepEqual(problemsOf({ ...good(), ...unasked } as Evidence), []));

  test("lets an interrupt come when the session rests", () => {
    const interrupted = [...list, event("user.interrupt", "m3")];
    assert.deepEqual(problemsOf({ ...good(), ...seenAs(interrupted), sent: ["m1", "m2", "m3"] }), []);
  });

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
    [
      "a request that begins within another one",
      seenAs([...list.slice(0, 2), event("span.model_request_start", "s0"), ...list.slice(2)]),
      /s0 begins while s1 is open/,
    ],
    ["an end of no request", seenAs(without("s1")), /e1 ends what is not open/],
    [
      "a command that was denied and ran",
      {
        ...seenAs([...list, event("user.tool_confirmation", "c1", { tool_use_id: "t1", result: "deny" })]),
        sent: ["m1", "m2", "c1"],
      },
      /word-1\. ran 1 times for 1 calls, 1 of them denied/,
    ],
    [
      "a session that runs",
      { session: { ...good().session, status: "running" } as Session },
      /its status is running/,
    ],
    ["a command that ran twice", { workspaces: [written("word-1. a", "word-1. b")] }, /word-1\. ran 2 times/],
    [
      "a command that ran on two hosts",
      { workspaces: [written("word-1. a"), elsewhere("word-1. b")] },
      /word-1\. ran 2 times/,
    ],
    ["a result of a command that never ran", { workspaces: [] }, /ran 0 times/],
    [
      "a command that nobody asked for",
      { workspaces: [written("word-1. a", "word-9. b")] },
      /word-9\. ran, and no call/,
    ],
    ["a session that does not rest", seenAs(without("i1")), /its last event is user\.message/],
    [
      "a session that waits for an answer",
      seenAs([...without("i1"), event("session.status_idle", "i1", { stop_reason: asks })]),
      /still waits for answers to t1/,
    ],
    [
      "an interrupt that has not ended a turn",
      { ...seenAs([...without("i1"), event("user.interrupt", "m3")]), sent: ["m1", "m2", "m3"] },
      /its last event is user\.message/,
    ],
    [
      "usage that does not add up",
      { session: { ...good().session, usage: { ...usage, output_tokens: 3 } } as Session },
      /its usage is/,
    ],
    ["a reader that missed an event", { withCare: without("r1") }, /the careful reader saw 6/],
    ["a stream that left one out", { byCursor: framesOf(without("r1")) }, /the reader by cursor saw 6/],
    [
      "a stream that has two in another order",
      { byCursor: framesOf([...list.slice(0, 3), ...list.slice(3, 5).toReversed(), ...list.slice(5)]) },
      /the first difference is at 3: agent\.tool_result r1, not span/,
    ],
    [
      "a cursor that goes back",
      { byCursor: framesOf(list).map((frame, i) => (i === 4 ? { ...frame, id: "log-2" } : frame)) },
      /not beyond the one before/,
    ],
    [
      "an arrival that is told of twice",
      { byCursor: framesOf([list[0] as ListedEvent, ...list]).filter((_, i) => i !== 1) },
      /told of the arrival of m1 twice/,
    ],
    [
      "an arrival that is not told of",
      { byCursor: framesOf(list).filter((_, i) => i !== 0) },
      /not told of the arrival of m1/,
    ],
    [
      "a stream that repeats one",
      { byCursor: framesOf([...list.slice(0, 2), ...list.slice(1)]) },
      /the reader by cursor saw 8/,
    ],
  ];
  for (const [what, changed, problem] of wrong)
    test(`finds ${what}`, () => assert.match(problemsOf({ ...good(), ...changed }).join("\n"), problem));

  /** The `n`-th request, its command and what the result told. */
  const ran = (n: number, told: string) => [
    event("span.model_request_start", `s${n}`),
    event("agent.tool_use", `t${n}`, { name: "bash", input: { command: `echo word-${n}. >> words` } }),
    event("span.model_request_end", `e${n}`, { model_request_start_id: `s${n}`, model_usage: usage }),
    event("agent.tool_result", `r${n}`, {
      tool_use_id: `t${n}`,
      is_error: false,
      content: [{ type: "text", text: told }],
    }),
  ];

  /** A session that ran one command and then others, what the results of those told, and its workspaces. */
  function went(told: string[], ...workspaces: Workspace[]): Evidence {
    const others = told.flatMap((text, i) => ran(i + 2, text));
    const runs = told.length + 1;
    const used = { input_tokens: 3 * runs, output_tokens: 2 * runs, cache_read_input_tokens: 0 };
    return {
      ...good(),
      ...seenAs([...list.slice(0, 6), ...others, ...list.slice(6)]),
      session: { ...good().session, usage: used } as Session,
      workspaces,
    };
  }

  /** One that ran the second command on another host. */
  const moved = (told: string, ...lines: string[]) => went([told], written("word-1. a"), elsewhere(...lines));
  const whole =
    "[The sandbox of earlier calls is gone. Its files were brought back from a checkpoint of 12:00";
  const partly = `${whole}\nWhat the latest calls have changed is not in it.]`;

  test("takes a workspace that was brought back, and told of", () => {
    assert.deepEqual(problemsOf(moved(whole, "word-1. a", "word-2. b")), []);
    assert.deepEqual(problemsOf(moved(partly, "word-2. b")), []);
  });
  test("finds one that nothing tells of", () =>
    assert.match(
      problemsOf(moved("ok", "word-1. a", "word-2. b")).join(),
      /nothing tells of its workspace 1/,
    ));
  test("finds one that lacks something, and nothing tells of that", () =>
    assert.match(problemsOf(moved(whole, "word-2. b")).join(), /workspace 1 lacks word-1\./));

  const third = (...lines: string[]): Workspace => ({ host: "hands-3", generation: 2, lines });

  test("asks once to be told of what is missing", () =>
    assert.deepEqual(
      problemsOf(
        went(
          [partly, whole],
          ...[written("word-1. a"), elsewhere("word-2. b"), third("word-2. b", "word-3. c")],
        ),
      ),
      [],
    ));
  test("asks to be told of what a workspace has lacked that no result came from", () =>
    assert.match(
      problemsOf(went([whole], written("word-1. a"), elsewhere(), third("word-2. b"))).join(),
      /workspace 2 lacks word-1\./,
    ));
  test("takes a workspace for a copy that was brought back when the session had left it behind", () => {
    const lines = ["word-1. a", "word-2. b", "word-3. c", "word-4. d"];
    const late = elsewhere(...lines.slice(0, 3));
    assert.deepEqual(problemsOf(went([whole, "ok", "ok"], written("word-1. a"), third(...lines), late)), []);
  });

  /** Its only call was open from 1 s to 4 s, and was lost for that reason. */
  function lost(reason: string, harm: Partial<HostHarm>, type = "outcome_unknown"): Evidence {
    const result = { ...list[4], is_error: true, recovery: { type, reason } } as unknown as ListedEvent;
    return {
      ...good(),
      ...seenAs(list.with(4, result)),
      hostHarms: [{ host: "hands-1", ended: false, from: 2_000, until: 3_000, ...harm }],
    };
  }
  const gone = "the sandbox host host_1 was unreachable for 3 s";
  const died = "the sandbox host ended while the command ran";

  test("takes an outcome that is unknown for a reason", () => {
    assert.deepEqual(problemsOf(lost(gone, {})), []);
    assert.deepEqual(problemsOf(lost(gone, { from: -500, until: 500 })), [], "it is felt for a while");
    assert.deepEqual(problemsOf(lost(died, { ended: true })), []);
  });
  test("finds a command that was run again", () =>
    assert.match(problemsOf(lost(gone, {}, "run_again")).join(), /was run again/));
  test("finds a call that has worked although nobody knows its outcome", () => {
    const evidence = lost(gone, {});
    const worked = { ...evidence.list[4], is_error: false } as ListedEvent;
    assert.match(
      problemsOf({ ...evidence, ...seenAs(list.with(4, worked)) }).join(),
      /and that it has worked/,
    );
  });
  const unfounded: [string, Evidence][] = [
    ["before anything was done", lost(gone, { from: 5_000, until: 6_000 })],
    ["long after something was done", lost(gone, { from: -20_000, until: -15_000 })],
    ["where another host was harmed", lost(gone, { host: "hands-2" })],
    ["where no host ended", lost(died, {})],
  ];
  for (const [when, evidence] of unfounded)
    test(`finds an outcome that is unknown ${when}`, () =>
      assert.match(problemsOf(evidence).join(), /nothing of the kind was done/));
});
