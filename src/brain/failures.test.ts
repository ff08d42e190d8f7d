import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { testDatabase } from "../db/testing.ts";
import { limits } from "../limits.ts";
import type { Entry } from "../log/entry.ts";
import { type ModelEvent, type ModelFailure, noUsage } from "../models/model.ts";
import type { Effects } from "./drive.ts";
import { fold } from "./fold.ts";
import {
  calls,
  freeLease,
  hanging,
  message,
  of,
  says,
  start,
  type TestSession,
  testSession,
} from "./testing.ts";

const db = await testDatabase();
after(() => db.close());

describe("a model that fails", () => {
  const failing = (failure: Partial<ModelFailure>): ModelEvent[] => [
    {
      type: "failed",
      failure: { kind: "overloaded", message: "busy", retryable: true, retry_after_ms: null, ...failure },
      usage: { ...noUsage, input_tokens: 1 },
    },
  ];

  /** Drives until the session is idle, with a clock that is always late enough. */
  async function driveToIdle(session: TestSession): Promise<Entry[]> {
    for (let wakes = 0; wakes < 50; wakes += 1) {
      const { end } = await start(db, session, { now: () => Date.now() + wakes * 1_000_000 });
      await end;
      const entries = await session.entries();
      if (entries.at(-1)?.type === "session.status_idle") return entries;
      await freeLease(db, session.id);
    }
    throw new Error("the session never came to rest");
  }

  test("for a while is asked again, and says so", async () => {
    let failures = 0;
    const session = await testSession(db, () => {
      failures += 1;
      return failures <= 2 ? failing({}) : says("At last.");
    });
    await session.send(message("Go"));
    const entries = await driveToIdle(session);
    assert.deepEqual(
      of(entries, "session.error").map((entry) => entry.body),
      Array.from({ length: 2 }, () => ({
        error: { type: "model_overloaded_error", message: "busy", retry_status: { type: "retrying" } },
      })),
    );
    assert.equal(of(entries, "session.status_rescheduled").length, 2);
    assert.equal(of(entries, "session.status_running").length, 3);
    assert.equal(of(entries, "agent.message").length, 1);
    assert.equal(fold(entries).usage.input_tokens, 12);
  });

  test("is asked again even if the clock has gone back since", async () => {
    const session = await testSession(db, () =>
      session.asked.length === 1 ? failing({}) : says("At last."),
    );
    await session.send(message("Go"));
    const ahead = await start(db, session, { now: () => Date.now() + 3_600_000 });
    await ahead.end;
    await freeLease(db, session.id);
    const { end } = await start(db, session);
    await end;
    assert.equal((await session.entries()).at(-1)?.type, "session.status_idle");
  });

  test("for good exhausts its retries, and the session takes the next message", async () => {
    let well = false;
    const session = await testSession(db, () => (well ? says("Better.") : failing({})));
    await session.send(message("Go"));
    const entries = await driveToIdle(session);
    const errors = of(entries, "session.error").map(
      (entry) => (entry.body as { error: { retry_status: { type: string } } }).error.retry_status.type,
    );
    assert.deepEqual(errors, [...Array(limits.model_retries_max).fill("retrying"), "exhausted"]);
    assert.deepEqual(entries.at(-1)?.body, {
      stop_reason: { type: "retries_exhausted" },
      stop_details: null,
    });

    well = true;
    await session.send(message("Again"));
    const after = await driveToIdle(session);
    assert.deepEqual(after.at(-1)?.body, { stop_reason: { type: "end_turn" }, stop_details: null });
  });

  test("because of an image is not shown it again", async () => {
    const session = await testSession(db, (request) =>
      JSON.stringify(request.messages).includes('"image"')
        ? failing({ kind: "rejected", retryable: false, message: "bad image" })
        : says("Now I can."),
    );
    const source = { type: "url", url: "https://example.com/gone.png" } as const;
    await session.send({ type: "user.message", content: [{ type: "image", source }] });
    await driveToIdle(session);
    await session.send(message("Go on"));
    const entries = await driveToIdle(session);
    assert.equal(of(entries, "agent.message").length, 1);
    assert.match(JSON.stringify(session.asked.at(-1)?.messages), /image was left out/);
  });

  test("because of an image that was fine before is not shown that again either", async () => {
    let there = true;
    const session = await testSession(db, (request) => {
      const shown = JSON.stringify(request.messages);
      if (shown.includes("broken.png") || (!there && shown.includes("gone.png"))) {
        return failing({ kind: "rejected", retryable: false, message: "bad image" });
      }
      return says("I see.");
    });
    const shows = async (name: string) => {
      const source = { type: "url", url: `https://example.com/${name}` } as const;
      await session.send({ type: "user.message", content: [{ type: "image", source }] });
      return driveToIdle(session);
    };
    const shown = () => JSON.stringify(session.asked.at(-1)?.messages);

    await shows("gone.png");
    await shows("broken.png");
    await session.send(message("Go on"));
    await driveToIdle(session);
    assert.match(shown(), /gone\.png.*image was left out/, "an earlier one goes only when none came since");

    there = false;
    await session.send(message("And now"));
    await driveToIdle(session);
    await session.send(message("Go on"));
    const entries = await driveToIdle(session);
    assert.equal(of(entries, "agent.message").length, 3);
    assert.doesNotMatch(shown(), /gone\.png/);
  });

  test("for another reason is shown the same image again", async () => {
    let failures = 0;
    const session = await testSession(db, () => {
      failures += 1;
      return failures <= limits.model_retries_max + 1 ? failing({}) : says("At last.");
    });
    const source = { type: "url", url: "https://example.com/there.png" } as const;
    await session.send({ type: "user.message", content: [{ type: "image", source }] });
    await driveToIdle(session);
    await session.send(message("Go on"));
    await driveToIdle(session);
    assert.match(JSON.stringify(session.asked.at(-1)?.messages), /there\.png/);
  });

  test("because the request is wrong is not asked again", async () => {
    const session = await testSession(db, () =>
      failing({ kind: "rejected", retryable: false, message: "no" }),
    );
    await session.send(message("Go"));
    const entries = await driveToIdle(session);
    assert.equal(session.asked.length, 1);
    assert.deepEqual(of(entries, "session.error")[0]?.body, {
      error: { type: "model_request_failed_error", message: "no", retry_status: { type: "exhausted" } },
    });
  });
});

describe("a brain that is told to stop", () => {
  test("hands a session over in the middle of a request, and the next one asks again", async () => {
    const model = hanging();
    let first = true;
    const session = await testSession(db, (_, signal) => {
      if (!first) return says("Here.");
      first = false;
      return model.stream(signal);
    });
    await session.send(message("Go"));
    const stop = new AbortController();
    const driving = await start(db, session, {}, stop.signal);
    await model.asked;
    stop.abort();
    assert.equal(await driving.end, "stopped");
    assert.equal(await (await start(db, session)).end, "parked");
    const entries = await session.entries();
    assert.equal(of(entries, "agent.message").length, 1);
    assert.equal(of(entries, "span.model_request_end").length, 2);
  });

  test("leaves a running call alone, and the next one gets its result", async () => {
    const running = Promise.withResolvers<void>();
    const finish = Promise.withResolvers<void>();
    const session = await testSession(db, (request) =>
      request.messages.length === 1 ? calls("bash one") : says("Done."),
    );
    await session.send(message("Go"));
    const stop = new AbortController();
    let cancelled = false;
    const runTool: Effects["runTool"] = async (_, signal) => {
      running.resolve();
      signal.addEventListener("abort", () => {
        cancelled = true;
      });
      await finish.promise;
      return { content: [{ type: "text", text: "kept" }], is_error: false };
    };
    const driving = await start(db, session, { runTool }, stop.signal);
    await running.promise;
    stop.abort();
    assert.equal(await driving.end, "stopped");
    assert.equal(cancelled, false);
    const second = await start(db, session, { runTool });
    finish.resolve();
    assert.equal(await second.end, "parked");
    assert.equal(of(await session.entries(), "agent.tool_result").length, 1);
  });
});
