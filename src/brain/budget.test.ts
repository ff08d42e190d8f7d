import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { testDatabase } from "../db/testing.ts";
import { newId } from "../protocol/ids.ts";
import { budgetOf } from "../protocol/money.ts";
import { drive, type Effects } from "./drive.ts";
import {
  calls,
  factsOf,
  message,
  never,
  of,
  type Script,
  says,
  type TestSession,
  testSession,
  testSpending,
} from "./testing.ts";

const db = await testDatabase();
after(() => db.close());

const interrupt = { type: "user.interrupt" as const };
const cent = 10_000_000;

/** Every request costs a cent. */
const spending = { ...testSpending, costOf: () => cent };

async function run(session: TestSession, budget_cents: number | null, changed: Partial<Effects> = {}) {
  const lease = await session.claim();
  const facts = { ...factsOf(session), budget_cents };
  await drive(facts, lease, session.effects(lease, { spending, ...changed }), never);
  return session.entries();
}

/** As an update of the session writes it. */
async function raise(session: TestSession, cents: number) {
  await db.query(
    {
      name: "test_raise",
      text: `with moved as (
          update session_head set seq = seq + 1, at_cap = false, runnable_at = drover_now()
          where session_id = $1 returning seq)
        insert into event (workspace_id, session_id, seq, id, thread_id, audience, type, body, created_at)
        select 'w', $1, seq, $2, 'sthr_x', 'session', 'session.updated', $3, drover_now() from moved`,
    },
    [session.id, newId("event"), JSON.stringify({ budget: budgetOf(cents) })],
  );
}

const reasons = (entries: Awaited<ReturnType<TestSession["entries"]>>) =>
  of(entries, "session.status_idle").map(
    ({ body }) => (body as { stop_reason: { type: string } }).stop_reason.type,
  );
const texts = (session: TestSession) =>
  session.asked.map(({ messages }) =>
    messages.at(-1)?.content.map((block) => (block.type === "text" ? block.text : block.type)),
  );

const oneCall: Script = ({ messages }) => (messages.length === 1 ? calls("bash one") : says("Done."));

describe("a turn that its budget has stopped", () => {
  test("goes on once it is raised", async () => {
    const session = await testSession(db, oneCall);
    await session.send(message("Go"));
    assert.deepEqual(reasons(await run(session, 1)), ["budget_reached"]);
    await raise(session, 5);
    assert.deepEqual(reasons(await run(session, 5)), ["budget_reached", "end_turn"]);
    assert.equal(session.asked.length, 2);
  });

  test("is ended by an interrupt that comes after the raise, before anybody has taken it up", async () => {
    const session = await testSession(db, oneCall);
    await session.send(message("Go"));
    await run(session, 1);
    await raise(session, 5);
    await session.send(interrupt);
    assert.deepEqual(reasons(await run(session, 5)), ["budget_reached", "end_turn"]);
    assert.equal(session.asked.length, 1);
  });

  test("is ended by an interrupt with a message behind it, which begins the next", async () => {
    const session = await testSession(db, oneCall);
    await session.send(message("Go"));
    await run(session, 1);
    await raise(session, 5);
    await session.send(interrupt, message("Other"));
    assert.deepEqual(reasons(await run(session, 5)), ["budget_reached", "end_turn", "end_turn"]);
    assert.deepEqual(texts(session), [["Go"], ["tool_result", "Other"]]);
  });

  test("stops again at once when the raise was not enough for what has been spent meanwhile", async () => {
    const session = await testSession(db, () => calls("bash one"));
    await session.send(message("Go"));
    await run(session, 1);
    await raise(session, 2);
    assert.deepEqual(reasons(await run(session, 2)), ["budget_reached", "budget_reached"]);
    assert.equal(session.asked.length, 2);
  });

  test("fails when a cap of the server holds it back after the raise", async () => {
    const session = await testSession(db, oneCall);
    await session.send(message("Go"));
    await run(session, 1);
    await raise(session, 5);
    const entries = await run(session, 5, { capReached: async () => "Enough." });
    assert.deepEqual(reasons(entries), ["budget_reached", "retries_exhausted"]);
  });

  test("takes the raise over the budget that it was claimed with", async () => {
    const session = await testSession(db, oneCall);
    await session.send(message("Go"));
    await run(session, 1);
    await raise(session, 5);
    assert.deepEqual(reasons(await run(session, 1)), ["budget_reached", "end_turn"]);
  });
});

test("an interrupt that comes with the last answer, at the cap, ends the turn", async () => {
  const session = await testSession(db, () => calls("weather here"));
  await session.send(message("Go"));
  const [call] = of(await run(session, 1), "agent.custom_tool_use");
  await session.send({ type: "user.custom_tool_result", custom_tool_use_id: call?.id ?? "" }, interrupt);
  const entries = await run(session, 1);
  assert.equal(of(entries, "user.interrupt").length, 1);
  const [, ended] = of(entries, "session.thread_status_idle");
  assert.match(JSON.stringify(ended?.body), /end_turn/);
  assert.deepEqual(reasons(entries), ["requires_action", "budget_reached"]);
});

test("a budget without prices to measure by is used up", async () => {
  const session = await testSession(db, () => says("Never."));
  await session.send(message("Go"));
  const unpriced = { ...spending, isPriced: () => false };
  assert.deepEqual(reasons(await run(session, 5, { spending: unpriced })), ["budget_reached"]);
  assert.equal(session.asked.length, 0);
});

test("a cap counts what has been spent and is not written yet", async () => {
  // The tool is not enabled, so that the next request would leave with the same append as the answer.
  const session = await testSession(db, () => calls("write it"));
  await session.send(message("Go"));
  const capReached = async (_: unknown, unwritten: number) => (unwritten >= cent ? "Enough." : null);
  const entries = await run(session, null, { capReached });
  assert.equal(session.asked.length, 1);
  assert.match(JSON.stringify(of(entries, "session.error")[0]?.body), /billing_error.*Enough\..*exhausted/);
});
