import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type TestDatabase, testDatabase } from "../db/testing.ts";
import { limits } from "../limits.ts";
import { type ModelEvent, type ModelRequest, noUsage } from "../models/model.ts";
import { summaryRequest } from "./compaction.ts";
import { drive } from "./drive.ts";
import { calls, factsOf, message, never, of, says, testSession } from "./testing.ts";
import { isSummary, notes, runTurns, shape, tooLong } from "./testing-compaction.ts";

let db: TestDatabase;
before(async () => {
  db = await testDatabase();
});
after(() => db.close());

const refusal: ModelEvent[] = [{ type: "failed", failure: tooLong, usage: noUsage }];
const charsOf = ({ messages }: ModelRequest) => JSON.stringify(messages).length;
/** More than the guess takes the model's 200,000 tokens to hold. */
const giant = "g".repeat(700_000);

describe("a provider that finds the conversation too long", () => {
  test("is asked for notes on what fits, and then again", async () => {
    const session = await testSession(db, (request) => {
      if (isSummary(request)) return notes;
      return session.asked.length === 2 ? refusal : says("Yes.");
    });
    const entries = await runTurns(session, "First", "Second");
    assert.equal(session.asked[2]?.messages.length, 1);
    assert.deepEqual(shape(session.asked[3]), [["user", "Notes on the conversation so f", "Second"]]);
    assert.equal(of(entries, "session.error").length, 0);
  });

  test("every time, the turn ends with its own error, and the next one tries anew", async () => {
    let refuses = false;
    const session = await testSession(db, () => (refuses ? refusal : says("Yes.")));
    await runTurns(session, "First");
    refuses = true;
    const entries = await runTurns(session, "Second");
    assert.equal(session.asked.filter(isSummary).length, limits.compactions_max);
    assert.match(
      JSON.stringify(of(entries, "session.error")[0]?.body),
      /compaction_limit_reached_error.*exhausted/,
    );
    assert.deepEqual(entries.at(-1)?.body, {
      stop_reason: { type: "retries_exhausted" },
      stop_details: null,
    });
    const told = session.asked.filter(isSummary).map(charsOf);
    assert.deepEqual(
      told,
      [...new Set(told)].toSorted((a, b) => b - a),
      "each time less is told",
    );
    refuses = false;
    const then = await runTurns(session, "Again");
    assert.equal(of(then, "agent.message").length, 2);
  });

  test("after each compaction, too", async () => {
    let refuses = false;
    const session = await testSession(db, (request) => {
      if (isSummary(request)) return notes;
      return refuses ? refusal : says("Yes.");
    });
    await runTurns(session, "First");
    refuses = true;
    const entries = await runTurns(session, "Second");
    assert.equal(of(entries, "compaction").length, limits.compactions_max);
    assert.equal(of(entries, "session.error").length, 1);
  });
});

describe("a message longer than the context", () => {
  test("is shown to the provider, who knows best, without a summary of nothing", async () => {
    const session = await testSession(db, () => says("Yes."));
    const entries = await runTurns(session, giant);
    assert.equal(session.asked.length, 1);
    assert.equal(of(entries, "agent.message").length, 1);
  });

  test("ends its turn where nothing can be made shorter, and gives way to the next message", async () => {
    const session = await testSession(db, (request) => {
      if (charsOf(request) > 650_000) return refusal;
      return isSummary(request) ? notes : says("Yes.");
    });
    const entries = await runTurns(session, giant);
    assert.equal(session.asked.length, 1);
    assert.match(JSON.stringify(of(entries, "session.error")[0]?.body), /compaction_limit_reached_error/);
    const then = await runTurns(session, "Again");
    assert.equal(of(then, "session.error").length, 1);
    assert.deepEqual(shape(session.asked.at(-1)), [["user", "Notes on the conversation so f", "Again"]]);
  });
});

test("results longer than the context are cut, and their calls and the task stay", async () => {
  const image = {
    type: "image" as const,
    source: { type: "base64" as const, media_type: "image/png" as const, data: "x" },
  };
  const session = await testSession(db, (request) => {
    if (charsOf(request) > 650_000) return refusal;
    if (isSummary(request)) return notes;
    return request.messages.every(({ role }) => role !== "assistant")
      ? calls("bash large", "bash small", "bash image")
      : says("Done.");
  });
  await session.send(message("Look"), {
    type: "system.message",
    content: [{ type: "text", text: "Be brief." }],
  });
  const lease = await session.claim();
  const results: Record<string, Awaited<ReturnType<ReturnType<typeof session.effects>["runTool"]>>> = {
    "bash large": { content: [{ type: "text", text: `begins ${giant} ends` }], is_error: false },
    "bash small": { content: [{ type: "text", text: "small" }], is_error: true },
    "bash image": { content: [{ type: "text", text: "seen" }, image], is_error: false },
  };
  await drive(
    factsOf(session),
    lease,
    session.effects(lease, { runTool: async ({ input }) => results[String(input.command)] ?? assert.fail() }),
    never,
  );
  const last = session.asked.at(-1);
  assert.deepEqual(shape(last), [
    ["user", "Notes on the conversation so f", "Look"],
    ["system", "Be brief."],
    ["assistant", "tool_use", "tool_use", "tool_use"],
    ["user", "tool_result", "tool_result", "tool_result"],
  ]);
  const [large, small, seen] = last?.messages.at(-1)?.content ?? [];
  assert.match(JSON.stringify(large), /begins g{10,}.*left out.*g{10,} ends/);
  assert.ok(JSON.stringify(large).length < limits.squeezed_result_chars + 300);
  assert.deepEqual(small, {
    type: "tool_result",
    tool_use_id: "toolu_bash small_1",
    ...results["bash small"],
  });
  assert.deepEqual(seen?.type === "tool_result" && seen.content, [{ type: "text", text: "seen\n[image]" }]);
  assert.equal(of(await session.entries(), "session.error").length, 0);
});

describe("what is told of a conversation that is too long even for notes", () => {
  const request = (text: string): ModelRequest => ({
    model: "m",
    effort: null,
    speed: "standard",
    system: "",
    tools: [],
    messages: [
      { role: "user", content: [{ type: "text", text: "First of all." }] },
      { role: "assistant", content: [{ type: "text", text }] },
      { role: "user", content: [{ type: "text", text: "At last." }] },
    ],
    attempt: 0,
  });
  const told = (text: string, shorter: number, tokens: number) => {
    const [message, ...rest] = summaryRequest(request(text), { shorter, tokens }).messages;
    assert.equal(rest.length, 0);
    const [first] = message?.content ?? [];
    return first?.type === "text" ? first.text : assert.fail();
  };

  test("holds its beginning and its end", () => {
    const text = told("x".repeat(10_000), 1, 1_000_000);
    assert.match(
      text,
      /user: First of all\.\n\nassistant: x+\n\[What stood here .*\]\nx+\n\nuser: At last\.$/s,
    );
    assert.ok(text.length < 5_200 && text.length > 4_800);
  });

  test("fits into the context, and is halved each time", () => {
    const lengths = [1, 2, 3].map((shorter) => told("x".repeat(1_000_000), shorter, 10_000).length);
    for (const [i, chars] of [15_000, 7_500, 3_750].entries()) {
      assert.ok(Math.abs((lengths[i] ?? 0) - chars) < 200, `${lengths}`);
    }
  });
});
