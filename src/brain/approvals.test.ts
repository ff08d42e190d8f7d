import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { testDatabase } from "../db/testing.ts";
import type { Entry } from "../log/entry.ts";
import { drive } from "./drive.ts";
import { fold } from "./fold.ts";
import {
  calls,
  factsOf,
  freeLease,
  message,
  never,
  type Script,
  says,
  type TestSession,
  testSession,
} from "./testing.ts";

const db = await testDatabase();
after(() => db.close());

const interrupt = { type: "user.interrupt" as const };
const confirm = (tool_use_id: string, result: "allow" | "deny", deny_message?: string) => ({
  type: "user.tool_confirmation" as const,
  tool_use_id,
  result,
  deny_message,
});
const answer = (custom_tool_use_id: string, text: string) => ({
  type: "user.custom_tool_result" as const,
  custom_tool_use_id,
  content: [{ type: "text" as const, text }],
});

async function run(session: TestSession): Promise<Entry[]> {
  const lease = await session.claim();
  const facts = factsOf(session);
  assert.equal(await drive(facts, lease, session.effects(lease), never), "parked");
  return session.entries();
}

/** Calls these once, then answers. */
const once =
  (...names: string[]): Script =>
  (request) =>
    request.messages.length === 1 ? calls(...names) : says("Done.");

async function started(script: Script) {
  const session = await testSession(db, script);
  await session.send(message("Go"));
  const entries = await run(session);
  const uses = entries.filter((entry) => /tool_use$/.test(entry.type)).map((entry) => entry.id);
  return { session, entries, uses };
}

const idles = (entries: Entry[]) =>
  entries
    .filter((entry) => entry.type === "session.status_idle")
    .map((entry) => (entry.body as { stop_reason: { type: string; event_ids?: string[] } }).stop_reason);
const results = (entries: Entry[]) =>
  entries.filter((entry) => entry.type === "agent.tool_result").map((entry) => JSON.stringify(entry.body));
const count = (entries: Entry[], type: string) => entries.filter((entry) => entry.type === type).length;

describe("a call that must be confirmed", () => {
  test("waits, and runs when it is allowed", async () => {
    const { session, entries, uses } = await started(once("read a"));
    assert.deepEqual(idles(entries), [{ type: "requires_action", event_ids: uses }]);
    assert.deepEqual(session.ran, []);
    assert.equal(await session.send(confirm(uses[0] ?? "", "allow")), "accepted");
    const after = await run(session);
    assert.deepEqual(session.ran, ["read a"]);
    assert.deepEqual(idles(after).at(-1), { type: "end_turn" });
    assert.equal(count(after, "session.status_running"), 2);
  });

  test("is answered with the reason when it is denied", async () => {
    const { session, uses } = await started(once("read a"));
    await session.send(confirm(uses[0] ?? "", "deny", "not that file"));
    const after = await run(session);
    assert.deepEqual(session.ran, []);
    assert.match(results(after)[0] ?? "", /not that file.*"is_error":true/);
    assert.deepEqual(idles(after).at(-1), { type: "end_turn" });
  });

  test("beside one that need not be: that one runs at once", async () => {
    const { session, entries } = await started(once("bash b", "read a"));
    assert.deepEqual(session.ran, ["bash b"]);
    assert.equal(idles(entries)[0]?.type, "requires_action");
  });

  test("of two: the first answer names what is left, the second goes on", async () => {
    const { session, entries, uses } = await started(once("read a", "read b"));
    assert.deepEqual(idles(entries), [{ type: "requires_action", event_ids: uses }]);
    await session.send(confirm(uses[0] ?? "", "allow"));
    const between = await run(session);
    assert.deepEqual(idles(between).at(-1), { type: "requires_action", event_ids: [uses[1]] });
    assert.equal(count(between, "session.status_running"), 1);
    assert.deepEqual(session.ran, []);
    await session.send(confirm(uses[1] ?? "", "allow"));
    const after = await run(session);
    assert.deepEqual(session.ran.toSorted(), ["read a", "read b"]);
    assert.equal(count(after, "session.status_running"), 2);
  });

  test("is not answered twice, nor by something else, nor when nobody asked", async () => {
    const { session, uses } = await started(once("bash b", "read a"));
    const [allowed = "", asked = ""] = uses;
    const before = await session.entries();
    assert.equal(await session.send(confirm(allowed, "allow")), "not_asked");
    assert.equal(await session.send(confirm("sevt_unknown", "allow")), "not_asked");
    assert.equal(await session.send(answer(asked, "no")), "not_asked");
    assert.equal(await session.send(message("x"), confirm(allowed, "allow")), "not_asked");
    assert.deepEqual(await session.entries(), before);
    assert.equal(await session.send(confirm(asked, "allow")), "accepted");
    assert.equal(await session.send(confirm(asked, "deny")), "not_asked");
  });

  test("survives the death of the brain that asked", async () => {
    const { session, uses } = await started(once("read a"));
    await session.send(confirm(uses[0] ?? "", "allow"));
    await session.claim();
    await freeLease(db, session.id);
    const after = await run(session);
    assert.deepEqual(session.ran, ["read a"]);
    assert.deepEqual(idles(after).at(-1), { type: "end_turn" });
  });

  test("is settled by an interrupt without asking the model", async () => {
    const { session, uses } = await started(once("read a", "read b"));
    await session.send(interrupt);
    const after = await run(session);
    assert.equal(results(after).length, 2);
    assert.match(results(after)[0] ?? "", /interrupted before completion/);
    assert.deepEqual(idles(after).at(-1), { type: "end_turn" });
    assert.equal(session.asked.length, 1);
    assert.equal(await session.send(confirm(uses[0] ?? "", "allow")), "not_asked");
  });

  test("is settled by an interrupt, and the message behind it starts a turn", async () => {
    const { session } = await started(once("read a"));
    await session.send(interrupt, message("Never mind"));
    const after = await run(session);
    assert.deepEqual(
      idles(after).map((reason) => reason.type),
      ["requires_action", "end_turn", "end_turn"],
    );
    assert.match(JSON.stringify(session.asked.at(-1)?.messages), /Never mind/);
  });

  test("keeps a message that comes meanwhile until it is answered", async () => {
    const { session, uses } = await started(once("read a"));
    await session.send(message("And hurry"));
    const waiting = await run(session);
    assert.equal(count(waiting, "session.status_running"), 1);
    assert.equal(session.asked.length, 1);
    await session.send(confirm(uses[0] ?? "", "allow"));
    await run(session);
    assert.match(JSON.stringify(session.asked.at(-1)?.messages), /And hurry/);
  });
});

describe("a custom tool", () => {
  test("is run by the client, whose answer goes on", async () => {
    const { session, entries, uses } = await started(once("weather"));
    assert.equal(entries.filter((entry) => entry.type === "agent.custom_tool_use").length, 1);
    assert.deepEqual(idles(entries), [{ type: "requires_action", event_ids: uses }]);
    await session.send(answer(uses[0] ?? "", "Rain"));
    const after = await run(session);
    const received = after.find((entry) => entry.type === "user.custom_tool_result");
    assert.equal(received?.audience, "session", "it is taken up as it arrives");
    assert.match(JSON.stringify(session.asked.at(-1)?.messages), /Rain/);
    assert.deepEqual(idles(after).at(-1), { type: "end_turn" });
  });

  test("called twelve times at once is answered in any order", async () => {
    const names = Array.from({ length: 12 }, (_, i) => `weather ${i}`);
    const { session, entries, uses } = await started(once(...names));
    assert.equal(idles(entries)[0]?.event_ids?.length, 12);
    for (const id of uses.toReversed().slice(0, 11)) {
      await session.send(answer(id, id));
      await run(session);
    }
    await session.send(answer(uses[0] ?? "", "last"));
    const after = await run(session);
    assert.equal(idles(after).length, 13);
    assert.deepEqual(idles(after).at(-1), { type: "end_turn" });
    const [thread] = fold(after).threads.values();
    assert.equal(thread?.messages[2]?.content.length, 12);
  });

  test("answered with nothing wedges nothing", async () => {
    const { session, uses } = await started(once("weather"));
    await session.send({ type: "user.custom_tool_result", custom_tool_use_id: uses[0] ?? "" });
    assert.deepEqual(idles(await run(session)).at(-1), { type: "end_turn" });
  });

  test("may be answered before the session is idle", async () => {
    const session = await testSession(db, once("weather"));
    await session.send(message("Go"));
    const lease = await session.claim();
    const plain = session.effects(lease);
    let answered = false;
    const facts = factsOf(session);
    const end = await drive(
      facts,
      lease,
      {
        ...plain,
        async append(request) {
          const use = request.entries.find((entry) => entry.type === "agent.custom_tool_use");
          const result = await plain.append(request);
          if (use && !answered) {
            answered = true;
            assert.equal(await session.send(answer(use.id, "Sun")), "accepted");
          }
          return result;
        },
      },
      never,
    );
    assert.equal(end, "parked");
    await run(session);
    assert.match(JSON.stringify(session.asked.at(-1)?.messages), /Sun/);
  });
});
