import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { createGate } from "./gate.ts";
import { answerOf, requestOf, userSays } from "./model.spec.ts";
import {
  type Candidate,
  type Model,
  type ModelEvent,
  type ModelFailure,
  type ModelRequest,
  noUsage,
} from "./model.ts";
import { servedBy } from "./served.ts";
import { scriptedClock } from "./testing.ts";

const go = requestOf("claude-opus-5-5", [userSays("go")]);

const failing = (kind: ModelFailure["kind"], retry_after_ms: number | null = null): ModelEvent => ({
  type: "failed",
  failure: { kind, message: kind, retryable: true, retry_after_ms },
  usage: noUsage,
});

const done: ModelEvent = { type: "finished", content: [], stop: { reason: "end_turn" }, usage: noUsage };
const start: ModelEvent = { type: "block_start", index: 0, block: "text" };

/** Candidates that answer with these events, and what each was asked. */
function candidates(...answers: ModelEvent[][]) {
  return candidatesOf(answers, () => true);
}

function candidatesOf(answers: ModelEvent[][], searches: (i: number) => boolean) {
  const clock = scriptedClock();
  const asked: ModelRequest[] = [];
  const list = answers.map((events, i): Candidate => {
    const model: Model = {
      async *stream(request) {
        asked.push(request);
        yield* events;
      },
    };
    const gate = createGate({ max_concurrency: 1, requests_per_minute: null }, clock);
    return { relay: null, provider: `p${i}`, modelId: `m${i}`, model, gate, searches: searches(i) };
  });
  return { asked, clock, list, model: servedBy(list) };
}

describe("a model with fallbacks", () => {
  test("is the first one while that answers", async () => {
    const { asked, model } = candidates([start, done], [done]);
    const { events, ending } = await answerOf(model, go);
    assert.deepEqual(events[0], start);
    assert.deepEqual(ending.served_by, { provider: "p0", model: "m0", after: [] });
    assert.deepEqual(
      asked.map(({ model: id }) => id),
      ["m0"],
    );
  });

  test("is the next one where the first is down, and says so", async () => {
    const { asked, model } = candidates([failing("overloaded")], [failing("authentication")], [start, done]);
    const { events, ending } = await answerOf(model, go);
    assert.deepEqual(
      events.map(({ type }) => type),
      ["block_start", "finished"],
    );
    assert.deepEqual(ending.served_by, {
      provider: "p2",
      model: "m2",
      after: [
        { provider: "p0", model: "m0", failure: "overloaded" },
        { provider: "p1", model: "m1", failure: "authentication" },
      ],
    });
    assert.equal(asked.length, 3);
  });

  for (const kind of [
    "overloaded",
    "rate_limited",
    "unavailable",
    "billing",
    "authentication",
    "not_configured",
  ] as const) {
    test(`is the next one after: ${kind}`, async () => {
      const { model } = candidates([failing(kind)], [done]);
      const { ending } = await answerOf(model, go);
      assert.equal(ending.type, "finished");
      assert.deepEqual(ending.served_by?.after, [{ provider: "p0", model: "m0", failure: kind }]);
    });
  }

  test("waits for the last one, whose pause ends", async () => {
    const { asked, clock, model } = candidates([failing("rate_limited", 1_000)]);
    await answerOf(model, go);
    const again = answerOf(model, go);
    clock.pass(999);
    await setImmediate();
    assert.equal(asked.length, 1);
    clock.pass(1);
    assert.equal((await again).ending.type, "failed");
    assert.equal(asked.length, 2);
  });

  test("fails as the last one does", async () => {
    const { model } = candidates([failing("overloaded")], [failing("unavailable")]);
    const { ending } = await answerOf(model, go);
    assert.ok(ending.type === "failed");
    assert.equal(ending.failure.kind, "unavailable");
    assert.equal(ending.failure.message, "unavailable It stood in for p0/m0 (overloaded).");
    assert.equal(ending.served_by?.provider, "p1");
  });

  test("asks nobody else what one refused, nor once an answer has begun, nor after an abort", async () => {
    for (const events of [
      [failing("rejected")],
      [start, failing("unavailable")],
      [{ type: "aborted", usage: noUsage } as const],
    ]) {
      const { asked, model } = candidates(events, [done]);
      const { ending } = await answerOf(model, go);
      assert.equal(ending.type, events.at(-1)?.type);
      assert.equal(asked.length, 1);
    }
  });

  test("asks the next one while the first wants a pause", async () => {
    const { asked, model } = candidates([failing("rate_limited", 3_600_000)], [done]);
    await answerOf(model, go);
    const { ending } = await answerOf(model, go);
    assert.deepEqual(ending.served_by?.after, [{ provider: "p0", model: "m0", failure: "rate_limited" }]);
    assert.deepEqual(
      asked.map(({ model: id }) => id),
      ["m0", "m1", "m1"],
    );
  });

  test("gives its place back, also when its reader leaves", async () => {
    const { model } = candidates([start, done]);
    for (let i = 0; i < 3; i += 1) {
      for await (const event of model.stream(go, new AbortController().signal)) {
        if (event.type === "block_start") break;
      }
    }
    assert.equal((await answerOf(model, go)).ending.type, "finished");
  });

  test("an abort while it waits for its turn is one", async () => {
    const { model, list } = candidates([done]);
    await list[0]?.gate.enter(new AbortController().signal);
    const abort = new AbortController();
    const answer = answerOf(model, go, abort.signal);
    abort.abort();
    assert.equal((await answer).ending.type, "aborted");
  });
});

describe("a request to search the web", () => {
  const searching = { ...go, search: { location: null, tokens_max: 100 } };

  test("passes over who cannot", async () => {
    const { asked, model } = candidatesOf([[failing("overloaded")], [done], [done]], (i) => i !== 1);
    const { ending } = await answerOf(model, searching);
    assert.equal(ending.served_by?.provider, "p2");
    assert.deepEqual(
      asked.map(({ model: id }) => id),
      ["m0", "m2"],
    );
  });

  test("fails where nobody can, without asking", async () => {
    const { asked, model } = candidatesOf([[done]], () => false);
    const { ending } = await answerOf(model, searching);
    assert.equal(ending.type === "failed" && ending.failure.kind, "not_configured");
    assert.equal(asked.length, 0);
  });
});
