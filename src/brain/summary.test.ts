import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type TestDatabase, testDatabase } from "../db/testing.ts";
import { limits } from "../limits.ts";
import { type ModelEvent, noUsage } from "../models/model.ts";
import { drive } from "./drive.ts";
import {
  calls,
  factsOf,
  hanging,
  message,
  never,
  of,
  type Script,
  says,
  start,
  type TestSession,
  testSession,
  testSpending,
} from "./testing.ts";
import { holding, isSummary, notes, runTurns, shape, tooLong } from "./testing-compaction.ts";

let db: TestDatabase;
before(async () => {
  db = await testDatabase();
});
after(() => db.close());

/** Waits for nothing: what is to be tried again is due at once. */
async function untilIdle(session: TestSession, text: string): Promise<void> {
  await session.send(message(text));
  for (let now = Date.now(); ; now += 60_000) {
    const lease = await session.claim();
    await drive(factsOf(session), lease, session.effects(lease, { now: () => now }), never);
    if ((await session.entries()).at(-1)?.type === "session.status_idle") return;
    await db.query(
      { name: "due", text: "update session_head set runnable_at = drover_now() where session_id = $1" },
      [session.id],
    );
  }
}

describe("a request for notes", () => {
  const failsOnce = (end: ModelEvent): Script => {
    let failed = false;
    return (request) => {
      if (!isSummary(request)) return holding(170_000, says("Yes."));
      if (failed) return notes;
      failed = true;
      return [end];
    };
  };

  for (const [what, end] of [
    [
      "that fails",
      { type: "failed", failure: { ...tooLong, kind: "overloaded", retryable: true }, usage: noUsage },
    ],
    ["that brings no text", { type: "finished", content: [], stop: { reason: "end_turn" }, usage: noUsage }],
    [
      "that is refused",
      {
        type: "finished",
        content: [{ type: "text", text: "Half of the" }],
        stop: { reason: "refusal", category: null, explanation: null },
        usage: noUsage,
      },
    ],
  ] as const satisfies [string, ModelEvent][]) {
    test(`${what} is made again`, async () => {
      const session = await testSession(db, failsOnce(end));
      await runTurns(session, "First");
      await untilIdle(session, "Second");
      const [summary, again] = session.asked.filter(isSummary);
      assert.deepEqual({ ...again, attempt: 0 }, summary);
      assert.equal(of(await session.entries(), "compaction").length, 1);
      assert.deepEqual(shape(session.asked.at(-1)), [["user", "Notes on the conversation so f", "Second"]]);
    });
  }

  test("that a model answers with calls again and again is made without tools", async () => {
    const session = await testSession(db, (request) => {
      if (!isSummary(request)) return holding(170_000, says("Yes."));
      return request.tools.length > 0 ? calls("bash one") : notes;
    });
    await runTurns(session, "First");
    await untilIdle(session, "Second");
    const summaries = session.asked.filter(isSummary);
    assert.equal(summaries.length, limits.whole_summary_attempts + 1);
    assert.match(JSON.stringify(summaries.at(-1)?.messages), /user: First\\n\\nassistant: Yes\./);
    assert.deepEqual(session.ran, []);
    assert.deepEqual(shape(session.asked.at(-1)), [["user", "Notes on the conversation so f", "Second"]]);
  });

  test("that is interrupted ends the turn, and is made again for the next message", async () => {
    const summary = hanging();
    let first = true;
    const session = await testSession(db, (request, signal) => {
      if (!isSummary(request)) return holding(170_000, says("Yes."));
      if (!first) return notes;
      first = false;
      return summary.stream(signal);
    });
    await runTurns(session, "First");
    await session.send(message("Second"));
    const { end } = await start(db, session);
    await summary.asked;
    await session.send({ type: "user.interrupt" });
    assert.equal(await end, "parked");
    assert.equal(of(await session.entries(), "compaction").length, 0);
    await runTurns(session, "Third");
    assert.deepEqual(shape(session.asked.at(-1)), [
      ["user", "Notes on the conversation so f", "Second", "Third"],
    ]);
  });

  test("does not know what the user says meanwhile, which follows the notes", async () => {
    const said = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    const session = await testSession(db, async function* (request) {
      if (isSummary(request)) {
        asked.resolve();
        await said.promise;
        yield* notes;
      } else yield* holding(170_000, says("Yes."));
    });
    await runTurns(session, "First");
    await session.send(message("Second"));
    const { end } = await start(db, session);
    await asked.promise;
    await session.send(message("Meanwhile"));
    said.resolve();
    assert.equal(await end, "parked");
    assert.deepEqual(shape(session.asked.at(-1)), [
      ["user", "Notes on the conversation so f", "Second", "Meanwhile"],
    ]);
  });

  test("that uses the budget up leaves its notes, and nobody is asked until there is more", async () => {
    const session = await testSession(db, (request) =>
      isSummary(request) ? notes : holding(170_000, says("Yes.")),
    );
    await runTurns(session, "First");
    await session.send(message("Second"));
    const lease = await session.claim();
    // The first answer has cost 17 cents, and the notes reach what is over that.
    await drive(
      { ...factsOf(session), budget_cents: 18 },
      lease,
      session.effects(lease, {
        spending: { ...testSpending, costOf: () => 20_000_000 },
      }),
      never,
    );
    const entries = await session.entries();
    assert.equal(of(entries, "compaction").length, 1);
    assert.match(JSON.stringify(entries.at(-1)?.body), /budget_reached/);
    assert.ok(isSummary(session.asked.at(-1) ?? assert.fail()));
  });
});
