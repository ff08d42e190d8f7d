import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { testDatabase } from "../db/testing.ts";
import type { Entry } from "../log/entry.ts";
import { noUsage } from "../models/model.ts";
import { drive } from "./drive.ts";
import { fold } from "./fold.ts";
import {
  calls,
  factsOf,
  freeLease,
  hanging,
  message,
  never,
  of,
  type Script,
  says,
  start,
  testSession,
} from "./testing.ts";

const db = await testDatabase();
after(() => db.close());

const interrupt = { type: "user.interrupt" as const };

const visible = (entries: Entry[]) =>
  entries.filter((entry) => entry.audience !== "internal").map((entry) => entry.type);

describe("an interrupt", () => {
  test("while the model answers ends the turn, and its usage counts", async () => {
    const model = hanging();
    const session = await testSession(db, (_, signal) => model.stream(signal));
    await session.send(message("Go"));
    const driving = await start(db, session);
    await model.asked;
    await session.send(interrupt);
    assert.equal(await driving.end, "parked");
    const entries = await session.entries();
    assert.deepEqual(visible(entries).slice(-5), [
      "user.interrupt",
      "span.model_request_end",
      "session.thread_status_idle",
      "session.usage",
      "session.status_idle",
    ]);
    assert.equal(fold(entries).usage.input_tokens, 7);
    assert.deepEqual(entries.at(-1)?.body, { stop_reason: { type: "end_turn" }, stop_details: null });
  });

  test("with a message behind it: the next turn answers the message", async () => {
    const model = hanging();
    let first = true;
    const script: Script = (_, signal) => {
      if (!first) return says("Redirected.");
      first = false;
      return model.stream(signal);
    };
    const session = await testSession(db, script);
    await session.send(message("Go"));
    const driving = await start(db, session);
    await model.asked;
    await session.send(interrupt, message("Do this instead"));
    assert.equal(await driving.end, "parked");
    const entries = await session.entries();
    assert.equal(of(entries, "session.status_idle").length, 2);
    assert.equal(of(entries, "agent.message").length, 1);
    assert.match(JSON.stringify(session.asked.at(-1)?.messages), /Do this instead/);
  });

  test("stops a running call, whose result keeps what it had printed", async () => {
    const running = Promise.withResolvers<void>();
    const session = await testSession(db, () => calls("bash long"));
    await session.send(message("Go"));
    const driving = await start(db, session, {
      async runTool(_, signal) {
        running.resolve();
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        return { content: [{ type: "text", text: "so far" }], is_error: true };
      },
    });
    await running.promise;
    await session.send(interrupt);
    assert.equal(await driving.end, "parked");
    const entries = await session.entries();
    assert.match(JSON.stringify(of(entries, "agent.tool_result")[0]?.body), /so far/);
    assert.equal(session.asked.length, 1, "the model was asked again");
    assert.equal(entries.at(-1)?.type, "session.status_idle");
  });

  test("after the death of a brain settles the calls it had begun", async () => {
    const session = await testSession(db, () => calls("bash one"));
    await session.send(message("Go"));
    const driving = await start(db, session, { runTool: () => Promise.reject(new Error("crash")) });
    await driving.end.catch(() => {});
    await freeLease(db, session.id);
    await session.send(interrupt);
    assert.equal(await (await start(db, session)).end, "parked");
    const entries = await session.entries();
    assert.deepEqual(session.ran, []);
    assert.deepEqual(session.cancelled, ["bash one"]);
    assert.match(JSON.stringify(of(entries, "agent.tool_result")[0]?.body), /interrupted before completion/);
    assert.equal(entries.at(-1)?.type, "session.status_idle");
  });

  test("of an idle session has no effect but that it was taken up", async () => {
    const session = await testSession(db, () => says("Never."));
    await session.send(interrupt);
    assert.equal(await (await start(db, session)).end, "parked");
    assert.deepEqual(
      (await session.entries()).map((entry) => entry.type),
      ["user.interrupt", "promoted"],
    );
  });
});

describe("an interrupt and a message sent together to an idle session", () => {
  test("are one turn: there was nothing to interrupt", async () => {
    const session = await testSession(db, () => says("Hello."));
    await session.send(interrupt, message("Hi"));
    assert.equal(await (await start(db, session)).end, "parked");
    const entries = await session.entries();
    assert.equal(of(entries, "session.status_idle").length, 1);
    assert.equal(of(entries, "session.status_running").length, 1);
    assert.equal(of(entries, "promoted").length, 2);
    assert.equal(of(entries, "agent.message").length, 1);
  });
});

describe("a message that arrives", () => {
  /** Answers the first request with text while a second message comes, and the second as scripted. */
  async function steered(second: Script) {
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<void>();
    let requests = 0;
    const session = await testSession(db, async function* (request, signal) {
      requests += 1;
      if (requests === 1) {
        asked.resolve();
        await answer.promise;
        yield* says("First.");
      } else yield* second(request, signal);
    });
    await session.send(message("One"));
    const driving = await start(db, session);
    await asked.promise;
    await session.send(message("Two"));
    answer.resolve();
    return { session, driving };
  }

  test("while the model answers is answered with all that belongs to it: calls and their results", async () => {
    let calledOnce = false;
    const { session, driving } = await steered(() => {
      if (calledOnce) return says("Second.");
      calledOnce = true;
      return calls("bash one");
    });
    assert.equal(await driving.end, "parked");
    const entries = await session.entries();
    assert.equal(session.asked.length, 3);
    assert.equal(session.asked.at(-1)?.messages.at(-1)?.content[0]?.type, "tool_result");
    assert.equal(of(entries, "agent.message").length, 2);
  });

  test("while the model answers is not dropped when the request for it fails first", async () => {
    let failedOnce = false;
    const { session, driving } = await steered(() => {
      if (failedOnce) return says("Second.");
      failedOnce = true;
      const failure = { kind: "overloaded", message: "busy", retryable: true, retry_after_ms: 0 } as const;
      return [{ type: "failed", failure, usage: noUsage }];
    });
    await driving.end;
    await freeLease(db, session.id);
    assert.equal(await (await start(db, session, { now: () => Date.now() + 1_000_000 })).end, "parked");
    assert.equal(of(await session.entries(), "agent.message").length, 2);
  });

  test("while a call runs is seen by the next request", async () => {
    const running = Promise.withResolvers<void>();
    const finish = Promise.withResolvers<void>();
    const session = await testSession(db, (request) =>
      request.messages.length === 1 ? calls("bash one") : says("Done."),
    );
    await session.send(message("Go"));
    const driving = await start(db, session, {
      async runTool() {
        running.resolve();
        await finish.promise;
        return { content: [], is_error: false };
      },
    });
    await running.promise;
    await session.send(message("Also this"));
    finish.resolve();
    assert.equal(await driving.end, "parked");
    assert.deepEqual(
      session.asked
        .at(-1)
        ?.messages.at(-1)
        ?.content.map((block) => block.type),
      ["tool_result", "text"],
    );
    assert.equal(of(await session.entries(), "session.status_idle").length, 1);
  });

  test("as the turn ends is answered, not lost", async () => {
    const session = await testSession(db, () => says("Yes."));
    await session.send(message("One"));
    const lease = await session.claim();
    const plain = session.effects(lease);
    let late = false;
    const end = await drive(
      factsOf(session),
      lease,
      {
        ...plain,
        async append(request) {
          if (request.status === "idle" && !late) {
            late = true;
            await session.send(message("Two"));
          }
          return plain.append(request);
        },
      },
      never,
    );
    assert.equal(end, "parked");
    const entries = await session.entries();
    assert.equal(session.asked.length, 2);
    assert.equal(of(entries, "promoted").length, 2);
    assert.equal(of(entries, "session.status_idle").length, 1);
  });
});
