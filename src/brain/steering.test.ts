import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type TestDatabase, testDatabase } from "../db/testing.ts";
import { limits } from "../limits.ts";
import type { Entry } from "../log/entry.ts";
import { createWatches } from "../log/watch.ts";
import { type ModelEvent, type ModelFailure, noUsage } from "../models/model.ts";
import { drive, type Effects } from "./drive.ts";
import { fold } from "./state.ts";
import { calls, freeLease, type Script, says, type TestSession, testAgent, testSession } from "./testing.ts";

let db: TestDatabase;
before(async () => {
  db = await testDatabase();
});
after(() => db.close());

const message = (text: string) => ({
  type: "user.message" as const,
  content: [{ type: "text" as const, text }],
});
const interrupt = { type: "user.interrupt" as const };
const never = new AbortController().signal;

/** Drives a session, with a bell that rings for what `send` appends. */
async function start(session: TestSession, changed: Partial<Effects> = {}, stop = never) {
  const lease = await session.claim();
  const watches = createWatches(db);
  const watch = watches.watch(session.id);
  const polling = setInterval(() => watches.poll(), 5);
  const effects = session.effects(lease, {
    read: (seq) => watch.after(seq),
    ring: (seq, signal) => watch.ring(seq, signal),
    ...changed,
  });
  const end = drive({ workspace_id: "w", session_id: session.id, agent: testAgent }, lease, effects, stop);
  return { end: end.finally(() => clearInterval(polling)) };
}

const visible = (entries: Entry[]) =>
  entries.filter((entry) => entry.audience !== "internal").map((entry) => entry.type);
const of = (entries: Entry[], type: string) => entries.filter((entry) => entry.type === type);

/** A promise and the function that keeps it. */
function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}

/** A model that answers only when it is aborted, and says when it was asked. */
function hanging() {
  const asked = gate();
  async function* stream(signal: AbortSignal): AsyncGenerator<ModelEvent> {
    asked.open();
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    yield { type: "aborted", usage: { ...noUsage, input_tokens: 7 } };
  }
  return { asked: asked.opened, stream };
}

describe("an interrupt", () => {
  test("while the model answers ends the turn, and its usage counts", async () => {
    const model = hanging();
    const session = await testSession(db, (_, signal) => model.stream(signal));
    await session.send(message("Go"));
    const driving = await start(session);
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
    const driving = await start(session);
    await model.asked;
    await session.send(interrupt, message("Do this instead"));
    assert.equal(await driving.end, "parked");
    const entries = await session.entries();
    assert.equal(of(entries, "session.status_idle").length, 2);
    assert.equal(of(entries, "agent.message").length, 1);
    assert.match(JSON.stringify(session.asked.at(-1)?.messages), /Do this instead/);
  });

  test("stops a running call, whose result keeps what it had printed", async () => {
    const running = gate();
    const session = await testSession(db, () => calls("bash long"));
    await session.send(message("Go"));
    const driving = await start(session, {
      async runTool(_, signal) {
        running.open();
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        return { content: [{ type: "text", text: "so far" }], is_error: true };
      },
    });
    await running.opened;
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
    const driving = await start(session, { runTool: () => Promise.reject(new Error("crash")) });
    await driving.end.catch(() => {});
    await freeLease(db, session.id);
    await session.send(interrupt);
    assert.equal(await (await start(session)).end, "parked");
    const entries = await session.entries();
    assert.deepEqual(session.ran, []);
    assert.deepEqual(session.cancelled, ["bash one"]);
    assert.match(JSON.stringify(of(entries, "agent.tool_result")[0]?.body), /interrupted before completion/);
    assert.equal(entries.at(-1)?.type, "session.status_idle");
  });

  test("of an idle session has no effect but that it was taken up", async () => {
    const session = await testSession(db, () => says("Never."));
    await session.send(interrupt);
    assert.equal(await (await start(session)).end, "parked");
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
    assert.equal(await (await start(session)).end, "parked");
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
    const asked = gate();
    const answer = gate();
    let requests = 0;
    const session = await testSession(db, async function* (request, signal) {
      requests += 1;
      if (requests === 1) {
        asked.open();
        await answer.opened;
        yield* says("First.");
      } else yield* second(request, signal);
    });
    await session.send(message("One"));
    const driving = await start(session);
    await asked.opened;
    await session.send(message("Two"));
    answer.open();
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
    assert.equal(await (await start(session, { now: () => Date.now() + 1_000_000 })).end, "parked");
    assert.equal(of(await session.entries(), "agent.message").length, 2);
  });

  test("while a call runs is seen by the next request", async () => {
    const running = gate();
    const finish = gate();
    const session = await testSession(db, (request) =>
      request.messages.length === 1 ? calls("bash one") : says("Done."),
    );
    await session.send(message("Go"));
    const driving = await start(session, {
      async runTool() {
        running.open();
        await finish.opened;
        return { content: [], is_error: false };
      },
    });
    await running.opened;
    await session.send(message("Also this"));
    finish.open();
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
      { workspace_id: "w", session_id: session.id, agent: testAgent },
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
      const { end } = await start(session, { now: () => Date.now() + wakes * 1_000_000 });
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
    const driving = await start(session, {}, stop.signal);
    await model.asked;
    stop.abort();
    assert.equal(await driving.end, "stopped");
    assert.equal(await (await start(session)).end, "parked");
    const entries = await session.entries();
    assert.equal(of(entries, "agent.message").length, 1);
    assert.equal(of(entries, "span.model_request_end").length, 2);
  });

  test("leaves a running call alone, and the next one gets its result", async () => {
    const running = gate();
    const finish = gate();
    const session = await testSession(db, (request) =>
      request.messages.length === 1 ? calls("bash one") : says("Done."),
    );
    await session.send(message("Go"));
    const stop = new AbortController();
    let cancelled = false;
    const runTool: Effects["runTool"] = async (_, signal) => {
      running.open();
      signal.addEventListener("abort", () => {
        cancelled = true;
      });
      await finish.opened;
      return { content: [{ type: "text", text: "kept" }], is_error: false };
    };
    const driving = await start(session, { runTool }, stop.signal);
    await running.opened;
    stop.abort();
    assert.equal(await driving.end, "stopped");
    assert.equal(cancelled, false);
    const second = await start(session, { runTool });
    finish.open();
    assert.equal(await second.end, "parked");
    assert.equal(of(await session.entries(), "agent.tool_result").length, 1);
  });
});
