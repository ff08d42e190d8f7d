import assert from "node:assert/strict";
import { test } from "node:test";
import { testDatabase } from "../db/testing.ts";
import { drive } from "./drive.ts";
import { fold } from "./fold.ts";
import { createMemory } from "./memory.ts";
import { emptyState, newThread, type State } from "./state.ts";
import { factsOf, says, testSession } from "./testing.ts";

function stateWith(seq: number, text: string): State {
  const state = emptyState();
  state.threads.set("t", {
    ...newThread("t"),
    messages: [{ role: "user", content: [{ type: "text", text }] }],
  });
  return { ...state, seq };
}

test("a state is given back once", () => {
  const memory = createMemory(10_000);
  const state = stateWith(7, "hello");
  memory.keep("a", state);
  assert.equal(memory.recall("a"), state);
  assert.deepEqual(memory.recall("a"), emptyState());
});

test("the longest unused is forgotten when the rest grows", () => {
  const memory = createMemory(30_000);
  memory.keep("a", stateWith(1, "x".repeat(10_000)));
  memory.keep("b", stateWith(2, "x".repeat(10_000)));
  memory.keep("a", memory.recall("a"));
  memory.keep("c", stateWith(3, "x".repeat(10_000)));
  assert.deepEqual(
    ["a", "b", "c"].map((id) => memory.recall(id).seq),
    [1, 0, 3],
  );
});

test("a state that alone is too big is not kept, and takes nothing away for later ones", () => {
  const memory = createMemory(10_000);
  memory.keep("big", stateWith(1, "x".repeat(10_000)));
  memory.keep("small", stateWith(2, "x"));
  assert.equal(memory.recall("big").seq, 0);
  assert.equal(memory.recall("small").seq, 2);
});

test("a drive reads on from what it remembers, and sees what another brain has written since", async () => {
  const db = await testDatabase();
  try {
    const session = await testSession(db, (request) => says(`answer ${request.messages.length}`));
    const facts = factsOf(session);
    const memory = createMemory(1_000_000);
    const readFrom: number[] = [];
    for (const [text, remembers] of [
      ["one", true],
      ["two", false],
      ["three", true],
    ] as const) {
      await session.send({ type: "user.message", content: [{ type: "text", text }] });
      const lease = await session.claim();
      const effects = session.effects(lease);
      const watched = session.effects(lease, {
        read(seq) {
          readFrom.push(seq);
          return effects.read(seq);
        },
      });
      const end = await drive(
        facts,
        lease,
        remembers ? watched : effects,
        new AbortController().signal,
        remembers ? memory : undefined,
      );
      assert.equal(end, "parked");
    }
    const entries = await session.entries();
    const texts = session.asked
      .at(-1)
      ?.messages.map(({ content }) => content.map((block) => "text" in block && block.text));
    assert.deepEqual(texts, [["one"], ["answer 1"], ["two"], ["answer 3"], ["three"]]);
    assert.deepEqual(memory.recall(session.id), fold(entries));
    assert.equal(readFrom.filter((seq) => seq === 0).length, 1, "the log was read from its beginning again");
  } finally {
    await db.close();
  }
});
