import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createGate } from "../gate.ts";
import { requestOf, userSays } from "../model.spec.ts";
import { type Candidate, type ModelEvent, type ModelFailure, noUsage } from "../model.ts";
import { scriptedClock } from "../testing.ts";
import { askForMessage } from "./ask.ts";

/** A model that breaks its word: it throws, or ends without saying how. */
function broken(events: ModelEvent[], error: Error | null): Candidate {
  return {
    provider: "p",
    modelId: "m",
    model: {
      async *stream() {
        yield* events;
        if (error) throw error;
      },
    },
    gate: createGate({ max_concurrency: 1, requests_per_minute: null }, scriptedClock()),
    searches: false,
    relay: null,
  };
}

const begun: ModelEvent[] = [
  { type: "block_start", index: 0, block: "text" },
  { type: "text_delta", index: 0, text: "It is" },
];

describe("a model that breaks its word keeps no place and is paid once", () => {
  for (const stream of [true, false])
    for (const [name, events, error] of [
      ["throws at once", [], new Error("a bug")],
      ["throws in the middle", begun, new Error("a bug")],
      ["ends in the middle", begun, null],
    ] as const)
      test(`${name}, ${stream ? "streamed" : "whole"}`, async () => {
        const candidate = broken([...events], error);
        const used: unknown[] = [];
        const request = requestOf("m", [userSays("go")]);
        const asked = { path: "/v1/messages", headers: {}, body: { model: "m", stream }, request } as const;
        const { signal } = new AbortController();
        const answer = askForMessage([candidate], asked, signal, ({ usage }) => used.push(usage));
        const failed = await answer
          .then((response) => response.text())
          .then(
            () => null,
            (reason: Error) => reason,
          );
        if (error || !stream) assert.ok(failed);
        assert.deepEqual(used, events.length > 0 ? [noUsage] : []);
        assert.ok((await candidate.gate.enter(signal)).entered);
        let isOver = false;
        candidate.gate.enter(signal).then(() => {
          isOver = true;
        });
        await new Promise(setImmediate);
        assert.ok(!isOver, "its place was given back twice");
      });
});

describe("whoever is asked", () => {
  const request = requestOf("m", [userSays("go")]);
  const asked = { path: "/v1/messages", headers: {}, body: { model: "m" }, request } as const;
  const { signal } = new AbortController();
  const end = { usage: noUsage, stop: { reason: "end_turn" } } as const;

  function candidateOf(provider: string, event: ModelEvent): Candidate & { count(): number } {
    let count = 0;
    const model = {
      async *stream() {
        count += 1;
        yield event;
      },
    };
    return { ...broken([], null), provider, model, count: () => count };
  }
  const answering = (provider: string) => candidateOf(provider, { type: "finished", content: [], ...end });
  const failing = (provider: string, kind: ModelFailure["kind"], retry_after_ms: number | null = null) => {
    const failure = { kind, message: `${provider} fails`, retryable: true, retry_after_ms };
    return candidateOf(provider, { type: "failed", failure, usage: noUsage });
  };
  async function whoAnswers(candidates: Candidate[]): Promise<string | null> {
    const who: (string | null)[] = [];
    await askForMessage(candidates, asked, signal, (_, steppedIn) => who.push(steppedIn));
    assert.equal(who.length, 1);
    return who[0] ?? null;
  }

  test("is the first, and then the next that may do better", async () => {
    assert.equal(await whoAnswers([answering("a"), answering("b")]), null);
    assert.equal(await whoAnswers([failing("a", "overloaded"), answering("b")]), "b/m");
  });

  test("is left alone while it wants to be, unless nobody else is there", async () => {
    const limited = failing("a", "rate_limited", 10_000);
    assert.equal(await whoAnswers([limited, answering("b")]), "b/m");
    assert.equal(await whoAnswers([limited, answering("b")]), "b/m");
    assert.equal(limited.count(), 1);
    assert.ok(limited.gate.pausedFor() > 0);
  });

  test("says why it cannot, the last of them", async () => {
    const both = [failing("a", "overloaded"), failing("b", "unavailable")];
    await assert.rejects(whoAnswers(both), { message: "b fails", status: 502 });
    const first = [failing("a", "rejected"), answering("b")];
    await assert.rejects(whoAnswers(first), { message: "a fails", status: 400 });
  });
});
