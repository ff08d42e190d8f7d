import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createGate } from "../gate.ts";
import { requestOf, userSays } from "../model.spec.ts";
import { type Candidate, type ModelEvent, noUsage } from "../model.ts";
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
      });
});
