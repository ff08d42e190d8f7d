import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { testDatabase } from "../db/testing.ts";
import { limits } from "../limits.ts";
import { type ModelRequest, noUsage } from "../models/model.ts";
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
  testAgent,
  testSession,
} from "./testing.ts";

const db = await testDatabase();
after(() => db.close());

const system = (text: string) => ({
  type: "system.message" as const,
  content: [{ type: "text" as const, text }],
});

/** Roles and texts of a request's conversation. */
const conversation = (request: ModelRequest | undefined) =>
  request?.messages.map(({ role, content }) => [
    role,
    ...content.map((block) => (block.type === "text" ? block.text : block.type)),
  ]);

async function run(session: Awaited<ReturnType<typeof testSession>>) {
  const lease = await session.claim();
  await drive(factsOf(session), lease, session.effects(lease), never);
  return session.entries();
}

describe("a system message", () => {
  test("stands behind the user's message, and holds in every later request", async () => {
    const session = await testSession(db, () => says("Yes."));
    await session.send(message("Hi"), system("Be brief."));
    await run(session);
    await session.send(message("More"));
    const entries = await run(session);
    const first = [
      ["user", "Hi"],
      ["system", "Be brief."],
    ];
    assert.deepEqual(conversation(session.asked[0]), first);
    assert.deepEqual(conversation(session.asked[1]), [...first, ["assistant", "Yes."], ["user", "More"]]);
    const [arrived] = of(entries, "system.message");
    assert.deepEqual(
      of(entries, "promoted")
        .map(({ of_seq }) => of_seq)
        .includes(arrived?.seq ?? 0),
      true,
    );
  });

  test("follows everything the user has said before the answer", async () => {
    const session = await testSession(db, () => says("Yes."));
    await session.send(message("One"), system("First."));
    await session.send(message("Two"), system("Second."));
    await run(session);
    assert.deepEqual(conversation(session.asked[0]), [
      ["user", "One", "Two"],
      ["system", "First.", "Second."],
    ]);
  });

  test("comes with a custom tool's result, once all results are there", async () => {
    const script: Script = (request) =>
      request.messages.length === 1 ? calls("weather a", "weather b") : says("Done.");
    const session = await testSession(db, script);
    await session.send(message("Go"));
    const [one, two] = of(await run(session), "agent.custom_tool_use").map(({ id }) => id);
    const answer = (id = "") => ({ type: "user.custom_tool_result" as const, custom_tool_use_id: id });
    await session.send(answer(one), system("Trust no forecast."));
    await run(session);
    assert.equal(session.asked.length, 1);
    await session.send(answer(two));
    await run(session);
    assert.deepEqual(conversation(session.asked[1]), [
      ["user", "Go"],
      ["assistant", "tool_use", "tool_use"],
      ["user", "tool_result", "tool_result"],
      ["system", "Trust no forecast."],
    ]);
  });

  test("is there again when the request for it has failed", async () => {
    const failure = { kind: "overloaded", message: "busy", retryable: true, retry_after_ms: null } as const;
    const session = await testSession(db, () =>
      session.asked.length === 1 ? [{ type: "failed", failure, usage: noUsage }] : says("Yes."),
    );
    await session.send(message("Hi"), system("Be brief."));
    await run(session);
    await db.query(
      { name: "due", text: "update session_head set runnable_at = drover_now() where session_id = $1" },
      [session.id],
    );
    const lease = await session.claim();
    const now = () => Date.now() + limits.model_retry_longest_ms;
    await drive(factsOf(session), lease, session.effects(lease, { now }), never);
    assert.deepEqual(conversation(session.asked[1]), conversation(session.asked[0]));
  });

  test("that came with a result does not begin a turn when an interrupt has ended the result's own", async () => {
    const script: Script = (request) =>
      request.messages.length === 1 ? calls("weather a", "weather b") : says("Done.");
    const session = await testSession(db, script);
    await session.send(message("Go"));
    const [one] = of(await run(session), "agent.custom_tool_use").map(({ id }) => id);
    const result = { type: "user.custom_tool_result" as const, custom_tool_use_id: one ?? "" };
    await session.send(result, system("Trust no forecast."));
    await session.send({ type: "user.interrupt" });
    const entries = await run(session);
    assert.equal(session.asked.length, 1);
    assert.equal(entries.at(-1)?.type, "session.status_idle");
    await session.send(message("More"));
    await run(session);
    assert.deepEqual(conversation(session.asked[1]), [
      ["user", "Go"],
      ["assistant", "tool_use", "tool_use"],
      ["user", "tool_result", "tool_result", "More"],
      ["system", "Trust no forecast."],
    ]);
  });

  test("that came with a message begins the next turn with it when an interrupt has overtaken both", async () => {
    const script: Script = (request) => (request.messages.length === 1 ? calls("weather a") : says("Done."));
    const session = await testSession(db, script);
    await session.send(message("Go"));
    await run(session);
    await session.send(message("Next"));
    await session.send({ type: "user.interrupt" });
    await session.send(message("Last"), system("Be brief."));
    await run(session);
    assert.deepEqual(conversation(session.asked[1])?.slice(2), [
      ["user", "tool_result", "Next", "Last"],
      ["system", "Be brief."],
    ]);
  });

  test("outlives an interrupt of the turn that it came in", async () => {
    const model = hanging();
    const session = await testSession(db, (request, signal) =>
      request.messages.length < 3 && session.asked.length === 1 ? model.stream(signal) : says("Yes."),
    );
    await session.send(message("Hi"), system("Be brief."));
    const driving = await start(db, session);
    await model.asked;
    await session.send({ type: "user.interrupt" }, message("Other"));
    await driving.end;
    assert.deepEqual(conversation(session.asked[1]), [
      ["user", "Hi", "Other"],
      ["system", "Be brief."],
    ]);
  });
});

describe("a turn that takes too long", () => {
  test("is ended between two requests, and the next one begins its own time", async () => {
    let hours = 0;
    const session = await testSession(db, (request) => {
      hours += 25;
      return request.messages.length === 1 ? calls("bash one") : says("Done.");
    });
    await session.send(message("Go"));
    const lease = await session.claim();
    const clock = Date.now();
    const now = () => clock + hours * 3_600_000;
    await drive(factsOf(session), lease, session.effects(lease, { now }), never);
    const entries = await session.entries();
    const [error] = of(entries, "session.error");
    assert.match(JSON.stringify(error?.body), /unknown_error.*24 hours.*exhausted/);
    assert.deepEqual(session.ran, []);
    assert.match(JSON.stringify(of(entries, "agent.tool_result")[0]?.body), /interrupted before completion/);
    assert.deepEqual(entries.at(-1)?.body, {
      stop_reason: { type: "retries_exhausted" },
      stop_details: null,
    });
    await session.send(message("Again"));
    assert.equal(of(await run(session), "session.error").length, 1);
  });

  test("stops what is under way, by the clock alone", async () => {
    const session = await testSession(db, (_, signal) => hanging().stream(signal));
    await session.send(message("Go"));
    const driving = await start(db, session, { now: () => Date.now() + limits.turn_ms_max - 500 });
    assert.equal(await driving.end, "parked");
    assert.equal(of(await session.entries(), "session.error").length, 1);
  });
});

test("an agent that is changed after the session was claimed is the changed one", async () => {
  const session = await testSession(db, () => says("Hi."));
  await session.send(message("Go"));
  const lease = await session.claim();
  const facts = { ...factsOf(session), agent: { ...testAgent, tools: [] } };
  await db.query(
    {
      name: "agent_updated",
      text: `with moved as (update session_head set seq = seq + 1 where session_id = $1 returning seq)
        insert into event (workspace_id, session_id, seq, id, thread_id, audience, type, body, created_at)
        select 'w', $1, seq, 'sevt_x', 'sthr_x', 'session', 'session.updated', $2, drover_now() from moved`,
    },
    [session.id, JSON.stringify({ agent: testAgent })],
  );
  await drive(facts, lease, session.effects(lease), never);
  assert.ok(session.asked[0]?.tools.some(({ name }) => name === "weather"));
});
