import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type TestDatabase, testDatabase } from "../db/testing.ts";
import { limits } from "../limits.ts";
import type { ModelMessage } from "../models/model.ts";
import { simulatedModel } from "../models/simulated.ts";
import { withoutResults } from "./compaction.ts";
import { drive } from "./drive.ts";
import { fold } from "./fold.ts";
import { wantsCheckpoint } from "./state.ts";
import { calls, factsOf, message, never, of, says, testSession } from "./testing.ts";
import { holding, isSummary, notes, runTurns, shape } from "./testing-compaction.ts";

let db: TestDatabase;
before(async () => {
  db = await testDatabase();
});
after(() => db.close());

describe("a conversation that outgrows the context", () => {
  test("is summed up before the next request, which goes on from the notes and the newest message", async () => {
    const session = await testSession(db, (request) =>
      isSummary(request) ? notes : holding(170_000, says("Yes.")),
    );
    const entries = await runTurns(session, "First", "Second");
    const [first, summary, second] = session.asked;
    assert.ok(summary && isSummary(summary));
    assert.deepEqual(summary.messages.slice(0, 2), [
      first?.messages[0],
      { role: "assistant", content: [{ type: "text", text: "Yes." }] },
    ]);
    assert.deepEqual(shape(second), [["user", "Notes on the conversation so f", "Second"]]);
    assert.match(JSON.stringify(second), /NOTES/);
    assert.deepEqual(
      entries.filter(({ type }) => /^span|compact/.test(type)).map(({ type }) => type),
      [
        "span.model_request_start",
        "span.model_request_end",
        "span.model_request_start",
        "compaction",
        "span.model_request_end",
        "agent.thread_context_compacted",
        "span.model_request_start",
        "span.model_request_end",
      ],
    );
    assert.equal(fold(entries).usage.input_tokens, 170_000 * 2 + 10);
  });

  test("keeps the calls whose results the model has not seen, the message they serve, and all system text", async () => {
    const session = await testSession(db, (request) => {
      if (isSummary(request)) return notes;
      if (session.asked.length === 1) return says("Ready.");
      return session.asked.length === 2 ? holding(170_000, calls("bash one", "bash two")) : says("Done.");
    });
    const system = {
      type: "system.message" as const,
      content: [{ type: "text" as const, text: "Be brief." }],
    };
    await session.send(message("Hi"), system);
    const lease = await session.claim();
    await drive(factsOf(session), lease, session.effects(lease), never);
    await runTurns(session, "Run both");
    assert.deepEqual(shape(session.asked.at(-1)), [
      ["user", "Notes on the conversation so f", "Run both"],
      ["system", "Be brief."],
      ["assistant", "tool_use", "tool_use"],
      ["user", "tool_result", "tool_result"],
    ]);
  });

  test("keeps system text once, whether it came before or with the newest message", async () => {
    const session = await testSession(db, (request) =>
      isSummary(request) ? notes : holding(170_000, says("Yes.")),
    );
    for (const [said, told] of [
      ["First", "Be brief."],
      ["Second", "Be polite."],
    ] as const) {
      await session.send(message(said), { type: "system.message", content: [{ type: "text", text: told }] });
      const lease = await session.claim();
      await drive(factsOf(session), lease, session.effects(lease), never);
    }
    assert.deepEqual(shape(session.asked.at(-1)), [
      ["user", "Notes on the conversation so f", "Second"],
      ["system", "Be brief.", "Be polite."],
    ]);
  });

  test("loses only old large results where that makes room", async () => {
    const large = "x".repeat(150_000);
    const session = await testSession(db, (request) => {
      if (isSummary(request)) return notes;
      const rounds = request.messages.filter(({ role }) => role === "assistant").length;
      if (rounds === 6) return says("Done.");
      return holding(rounds === 5 ? 165_000 : 1_000, calls(`bash ${rounds}`));
    });
    await session.send(message("Go"));
    const lease = await session.claim();
    const runTool = async () => ({ content: [{ type: "text" as const, text: large }], is_error: false });
    await drive(factsOf(session), lease, session.effects(lease, { runTool }), never);
    const entries = await session.entries();
    assert.equal(session.asked.some(isSummary), false);
    const results = (session.asked.at(-1)?.messages ?? []).flatMap(({ content }) =>
      content.flatMap((block) =>
        block.type === "tool_result" ? [JSON.stringify(block.content).length > 1_000] : [],
      ),
    );
    assert.deepEqual(results, [false, false, false, true, true, true]);
    assert.equal(of(entries, "agent.thread_context_compacted").length, 1);
    assert.equal(of(entries, "agent.tool_result").length, 6);
  });

  test("loses no new result, though its call has the id of an old one", () => {
    const round = (text: string): ModelMessage[] => [
      { role: "assistant", content: [{ type: "tool_use", id: "call_0", name: "bash", input: {} }] },
      {
        role: "user",
        content: [
          { type: "tool_result", tool_use_id: "call_0", content: [{ type: "text", text }], is_error: false },
        ],
      },
    ];
    const messages = ["one", "two", "three", "four"].flatMap(round);
    const { messages: left } = withoutResults(messages, ["call_0"]);
    assert.deepEqual(left.slice(2), messages.slice(2));
    assert.match(JSON.stringify(left[1]), /was cleared/);
  });

  test("ten times, it still knows the first instruction", async () => {
    const simulated = simulatedModel({ chars_per_second: null });
    const session = await testSession(db, (request, signal) => simulated.stream(request, signal));
    await runTurns(session, "Remember the word heron\nsay ok\nusage in=170000");
    for (let i = 1; i <= 10; i += 1) await runTurns(session, `Message ${i}\nsay ok ${i}\nusage in=170000`);
    const entries = await session.entries();
    assert.equal(of(entries, "compaction").length, 10);
    assert.match(JSON.stringify(session.asked.at(-1)?.messages[0]), /Remember the word heron/);
    assert.equal(of(entries, "session.error").length, 0);
    assert.ok((session.asked.at(-1)?.messages.length ?? 99) <= 2);
  });

  test("within a turn, the script of the simulated model goes on where it was", async () => {
    const simulated = simulatedModel({ chars_per_second: null });
    const session = await testSession(db, (request, signal) => simulated.stream(request, signal));
    const steps = Array.from({ length: 6 }, (_, i) => `bash step${i}\nusage in=170000`);
    await runTurns(session, [...steps, "say end"].join("\nthen\n"));
    assert.deepEqual(
      session.ran,
      steps.map((_, i) => `step${i}`),
    );
    assert.equal(of(await session.entries(), "compaction").length, 5);
  });
});

describe("a checkpoint", () => {
  test("follows a compaction, and whoever begins to read there knows what the whole log says", async () => {
    const session = await testSession(db, (request) =>
      isSummary(request) ? notes : holding(170_000, says("Yes.")),
    );
    const entries = await runTurns(session, "First", "Second \u0000 \ud800", "Third");
    const checkpoints = of(entries, "checkpoint");
    assert.equal(checkpoints.length, 2);
    for (const { seq } of checkpoints) {
      const from = entries.filter((entry) => entry.seq >= seq);
      assert.deepEqual(fold(from), fold(entries));
    }
  });

  test("is where the next brain begins to read", async () => {
    const session = await testSession(db, (request) =>
      isSummary(request) ? notes : holding(170_000, says("Yes.")),
    );
    const entries = await runTurns(session, "First", "Second");
    const [checkpoint] = of(entries, "checkpoint");
    await session.send(message("Third"));
    const lease = await session.claim();
    assert.equal(lease.fold_from, (checkpoint?.seq ?? 0) - 1);
    const reads: number[] = [];
    const effects = session.effects(lease);
    const read = (seq: number) => {
      reads.push(seq);
      return effects.read(seq);
    };
    await drive({ ...factsOf(session), fold_from: lease.fold_from }, lease, { ...effects, read }, never);
    assert.equal(reads[0], lease.fold_from);
    assert.match(JSON.stringify(session.asked.at(-1)?.messages), /NOTES.*Third/);
  });

  test("comes by itself when the log has grown long", () => {
    const state = { ...fold([]), seq: limits.checkpoint_entries + 1 };
    assert.equal(wantsCheckpoint(state), true);
    assert.equal(wantsCheckpoint({ ...state, checkpoint_seq: 1 }), false);
  });
});

test("a model with a smaller context is given a summary of what the one before it has read", async () => {
  const session = await testSession(db, (request) =>
    isSummary(request) ? notes : holding(170_000, says("Yes.")),
  );
  const drives = async (text: string, window: number) => {
    await session.send(message(text));
    const lease = await session.claim();
    await drive(factsOf(session), lease, session.effects(lease, { contextWindow: () => window }), never);
  };
  await drives("First", 1_000_000);
  await drives("Second", 1_000_000);
  assert.equal(of(await session.entries(), "compaction").length, 0);
  await drives("Third", 200_000);
  assert.deepEqual(shape(session.asked.at(-1)), [["user", "Notes on the conversation so f", "Third"]]);
});
