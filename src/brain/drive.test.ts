import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { testDatabase } from "../db/testing.ts";
import { append } from "../log/append.ts";
import { type AnyDraft, draft, wireEvent } from "../log/entry.ts";
import { primaryThreadOf } from "../log/thread-id.ts";
import type { ModelEvent } from "../models/model.ts";
import { noUsage } from "../models/model.ts";
import { newId } from "../protocol/ids.ts";
import { drive } from "./drive.ts";
import { fold } from "./fold.ts";
import { provisional } from "./pen.ts";
import { emptyState, storedState } from "./state.ts";
import { calls, factsOf, freeLease, message, never, type Script, says, testSession } from "./testing.ts";
import { holding, notes, runTurns, shape } from "./testing-compaction.ts";
import { Crash, diesAt } from "./testing-crash.ts";

const db = await testDatabase();
after(() => db.close());

/** Two calls at once, then an answer. */
const toolTurn: Script = (request) =>
  request.messages.at(-1)?.role === "user" && request.messages.length === 1
    ? calls("bash one", "bash two")
    : says("Both ran.");

async function settle(script: Script, ...texts: string[]) {
  const session = await testSession(db, script);
  await session.send(...texts.map(message));
  const lease = await session.claim();
  const end = await drive(factsOf(session), lease, session.effects(lease), never);
  const entries = await session.entries();
  return { session, end, entries, visible: entries.filter((entry) => entry.audience !== "internal") };
}

describe("what is mounted", () => {
  const version = (version: number): AnyDraft =>
    draft(
      "mounts_changed",
      { id: newId("event"), thread_id: "sthr_1", audience: "internal" },
      { reader: 3, version },
    );
  const entries = (...drafts: AnyDraft[]) => provisional(drafts, 0, 0);

  test("is known by the highest number that the log or the lease tells", () => {
    assert.equal(fold([]).mounts, 0);
    assert.equal(fold(entries(version(2), version(3))).mounts, 3);
    assert.equal(fold(entries(version(2)), { ...emptyState(), mounts: 4 }).mounts, 4);
  });

  test("is not forgotten with a checkpoint, nor taken back to what that knew", () => {
    const at = { id: "sevt_1", thread_id: "sthr_1", audience: "internal" } as const;
    const checkpoint = draft("checkpoint", at, {
      reader: 1,
      state: storedState({ ...emptyState(), mounts: 2 }),
    });
    assert.equal(fold(entries(checkpoint)).mounts, 2);
    assert.equal(fold(entries(version(5), checkpoint)).mounts, 5);
  });
});

test("every call of a drive carries the version of what is mounted by then", async () => {
  const session = await testSession(db, (request) =>
    request.messages.length < 5 ? calls(`bash ${request.messages.length}`) : says("Done."),
  );
  await session.send(message("Go"));
  const lease = await session.claim();
  const carried: number[] = [];
  const inner = session.effects(lease);
  const changed = draft(
    "mounts_changed",
    { id: newId("event"), thread_id: primaryThreadOf(session.id), audience: "internal" },
    { reader: 3, version: 4 },
  );
  const end = await drive(
    { ...factsOf(session), mounts_version: 2 },
    lease,
    {
      ...inner,
      async runTool(call, signal, asking) {
        carried.push(asking.mounts);
        const request = { workspace_id: "w", session_id: session.id, entries: [changed] };
        if (carried.length === 1) await append(db, [request], 0);
        return inner.runTool(call, signal, asking);
      },
    },
    never,
  );
  assert.equal(end, "parked");
  assert.deepEqual(carried, [2, 4]);
});

describe("a turn", () => {
  test("without tools is told in the documented order", async () => {
    const { end, visible } = await settle(() => says("Hello."), "Hi");
    assert.equal(end, "parked");
    assert.deepEqual(
      visible.map((entry) => entry.type),
      [
        "user.message",
        "session.status_running",
        "session.thread_status_running",
        "span.model_request_start",
        "agent.message",
        "span.model_request_end",
        "session.thread_status_idle",
        "session.usage",
        "session.status_idle",
      ],
    );
  });

  test("runs its calls, gives the model their results and ends", async () => {
    const { session, entries } = await settle(toolTurn, "Run both");
    assert.deepEqual(session.ran, ["bash one", "bash two"]);
    const [, second] = session.asked;
    assert.deepEqual(
      second?.messages.map((item) => [item.role, item.content.map((block) => block.type)]),
      [
        ["user", ["text"]],
        ["assistant", ["tool_use", "tool_use"]],
        ["user", ["tool_result", "tool_result"]],
      ],
    );
    assert.equal(fold(entries).usage.input_tokens, 20);
  });

  test("each request extends the one before it byte for byte", async () => {
    const { session } = await settle(toolTurn, "Run both");
    const [first, second] = session.asked.map((request) => JSON.stringify(request.messages).slice(0, -1));
    assert.ok(second?.startsWith(first ?? "-"));
  });

  test("folds to the same state wherever the log is cut in two", async () => {
    const { entries } = await settle(toolTurn, "Run both", "And then some");
    const whole = fold(entries);
    for (let cut = 0; cut <= entries.length; cut += 1) {
      const first = fold(entries.slice(0, cut));
      const before = structuredClone(first);
      assert.deepEqual(fold(entries.slice(cut), first), whole);
      assert.deepEqual(first, before, "fold changed the state it was given");
    }
  });

  test("takes up two queued messages together", async () => {
    const { session } = await settle(() => says("Both."), "One", "Two");
    assert.equal(session.asked.length, 1);
    assert.deepEqual(session.asked[0]?.messages, [
      {
        role: "user",
        content: [
          { type: "text", text: "One" },
          { type: "text", text: "Two" },
        ],
      },
    ]);
  });

  test("answers a call of a tool that is not enabled with an error, and goes on", async () => {
    const { session, visible } = await settle(
      (request) => (request.messages.length === 1 ? calls("write x") : says("I see.")),
      "Write",
    );
    assert.deepEqual(session.ran, []);
    const use = visible.find((entry) => entry.type === "agent.tool_use");
    const result = visible.find((entry) => entry.type === "agent.tool_result");
    assert.ok(use && result);
    assert.deepEqual(wireEvent(use), {
      ...wireEvent(use),
      evaluated_permission: "deny",
      name: "write",
    });
    assert.ok(!("evaluation" in use.body));
    assert.equal((result.body as { is_error: boolean }).is_error, true);
    assert.equal(visible.at(-1)?.type, "session.status_idle");
  });

  test("that the model refuses ends with the refusal, and the refused text does not come back", async () => {
    const refusal: ModelEvent[] = [
      {
        type: "finished",
        content: [{ type: "text", text: "I" }],
        stop: { reason: "refusal", category: "bio", explanation: "no" },
        usage: noUsage,
      },
    ];
    const { visible, entries } = await settle(() => refusal, "Bad");
    assert.deepEqual(visible.at(-1)?.body, {
      stop_reason: { type: "refusal" },
      stop_details: { type: "refusal", category: "bio", explanation: "no" },
    });
    const [thread] = fold(entries).threads.values();
    assert.deepEqual(
      thread?.messages.map((item) => item.role),
      ["user"],
    );
  });
});

describe("a brain that dies", () => {
  test("at any boundary of a tool turn leaves the next one the same end, and each command ran once", async () => {
    let boundaries = 0;
    for (let n = 0; ; n += 1) {
      const session = await testSession(db, toolTurn);
      await session.send(message("Run both"));
      const facts = factsOf(session);
      if (!(await diesAt(n, db, session))) break;
      boundaries += 1;
      const second = await session.claim();
      assert.equal(await drive(facts, second, session.effects(second), never), "parked");

      const entries = await session.entries();
      assert.deepEqual(session.ran.toSorted(), ["bash one", "bash two"], `boundary ${n}`);
      assert.deepEqual(
        entries.map((entry) => entry.seq),
        entries.map((_, i) => i + 1),
      );
      const types = entries.map((entry) => entry.type);
      const count = (type: string) => types.filter((candidate) => candidate === type).length;
      assert.equal(count("agent.tool_result"), 2, `boundary ${n}`);
      assert.equal(count("agent.message"), 1, `boundary ${n}`);
      assert.equal(count("session.status_idle"), 1, `boundary ${n}`);
      assert.equal(count("span.model_request_start"), count("span.model_request_end"), `boundary ${n}`);
      const [thread] = fold(entries).threads.values();
      assert.deepEqual(
        thread?.messages.map((item) => [item.role, item.content.length]),
        [
          ["user", 1],
          ["assistant", 2],
          ["user", 2],
          ["assistant", 1],
        ],
        `boundary ${n}`,
      );
    }
    assert.ok(boundaries >= 14, `only ${boundaries} boundaries were met`);
  });

  test("at any boundary of a summary leaves the next one the same conversation", async () => {
    const summed: Script = (request) =>
      request.purpose === "summary" ? notes : holding(170_000, says("Yes."));
    let boundaries = 0;
    for (let n = 0; ; n += 1) {
      const session = await testSession(db, summed);
      await runTurns(session, "First");
      await session.send(message("Second"));
      if (!(await diesAt(n, db, session))) break;
      boundaries += 1;
      const second = await session.claim();
      const facts = { ...factsOf(session), fold_from: second.fold_from };
      assert.equal(await drive(facts, second, session.effects(second), never), "parked");
      const entries = await session.entries();
      const count = (type: string) => entries.filter((entry) => entry.type === type).length;
      assert.equal(count("compaction"), 1, `boundary ${n}`);
      assert.equal(count("agent.message"), 2, `boundary ${n}`);
      assert.equal(count("span.model_request_start"), count("span.model_request_end"), `boundary ${n}`);
      const whole = fold(entries);
      assert.deepEqual(fold(entries.filter(({ seq }) => seq > second.fold_from)), whole, `boundary ${n}`);
      const answered = session.asked.filter((request) => request.purpose !== "summary").at(-1);
      assert.deepEqual(
        shape(answered),
        [["user", "Notes on the conversation so f", "Second"]],
        `boundary ${n}`,
      );
    }
    assert.ok(boundaries >= 8, `only ${boundaries} boundaries were met`);
  });

  test("again and again in one model request makes the turn fail, not loop", async () => {
    const session = await testSession(db, () => {
      throw new Crash();
    });
    await session.send(message("Kill me"));
    const facts = factsOf(session);
    for (let death = 0; ; death += 1) {
      assert.ok(death < 20, "it goes on for ever");
      const lease = await session.claim();
      const end = await drive(facts, lease, session.effects(lease), never).catch(() => "died");
      if (end === "parked") break;
      await freeLease(db, session.id);
    }
    const last = (await session.entries()).at(-1);
    assert.deepEqual(last?.body, { stop_reason: { type: "retries_exhausted" }, stop_details: null });
  });

  test("and wakes late changes nothing", async () => {
    const session = await testSession(db, () => says("Hello."));
    await session.send(message("Hi"));
    const facts = factsOf(session);
    const frozen = await session.claim();
    await freeLease(db, session.id);
    const next = await session.claim();
    assert.equal(await drive(facts, next, session.effects(next), never), "parked");
    const before = await session.entries();
    assert.equal(await drive(facts, frozen, session.effects(frozen), never), "lost");
    assert.deepEqual(await session.entries(), before);
  });
});
