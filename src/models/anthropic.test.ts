import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import {
  answerEvents,
  answerReply,
  type FakeAnswer,
  type FakeAnthropic,
  type FakeReply,
  sse,
  startFakeAnthropic,
} from "../../test/fakes/anthropic.ts";
import { anthropicModel } from "./anthropic.ts";
import { answerOf, endingOf, requestOf, userSays } from "./model.spec.ts";
import type { ModelEvent } from "./model.ts";

const modelId = "claude-opus-5-5";
const go = requestOf(modelId, [userSays("go")]);

let fake: FakeAnthropic;
before(async () => {
  fake = await startFakeAnthropic();
});
after(() => fake.close());

const modelAt = (base_url: string) => anthropicModel({ api_key: "key", base_url });

async function play(reply: FakeReply) {
  fake.reply(reply);
  return answerOf(modelAt(fake.url), go);
}

async function finishedOf(answer: FakeAnswer) {
  const { ending, events } = await play(answerReply(answer));
  assert.ok(ending.type === "finished");
  return { ...ending, events };
}

describe("answers", () => {
  test("thoughts are kept with their signatures, and never told as text", async () => {
    const { content, events } = await finishedOf({
      blocks: [
        { type: "thinking", thinking: ["sec", "ret"], signature: "sig" },
        { type: "redacted_thinking", data: "opaque" },
        { type: "thinking", thinking: [], signature: "" },
        { type: "text", text: ["open"] },
      ],
    });
    assert.deepEqual(content, [
      { type: "thinking", thinking: "secret", signature: "sig" },
      { type: "redacted_thinking", data: "opaque" },
      { type: "thinking", thinking: "", signature: null },
      { type: "text", text: "open" },
    ]);
    assert.deepEqual(events.slice(0, -1), [
      { type: "block_start", index: 0, block: "thinking" },
      { type: "thinking_delta", index: 0, text: "sec" },
      { type: "thinking_delta", index: 0, text: "ret" },
      { type: "block_end", index: 0, block: content[0] },
      { type: "block_start", index: 1, block: "thinking" },
      { type: "block_end", index: 1, block: content[1] },
      { type: "block_start", index: 2, block: "thinking" },
      { type: "block_end", index: 2, block: content[2] },
      { type: "block_start", index: 3, block: "text" },
      { type: "text_delta", index: 3, text: "open" },
      { type: "block_end", index: 3, block: content[3] },
    ]);
  });

  for (const json of ['{"command": "ls', "[1]", "null", '"text"', "not json"]) {
    test(`arguments that are no object: ${json}`, async () => {
      const { content, stop } = await finishedOf({
        blocks: [{ type: "tool_use", id: "toolu_1", name: "bash", json: [json] }],
      });
      assert.deepEqual(content, [
        { type: "tool_use", id: "toolu_1", name: "bash", input: {}, malformed: json },
      ]);
      assert.deepEqual(stop, { reason: "tool_use" });
    });
  }

  test("a call without arguments", async () => {
    const { content } = await finishedOf({ blocks: [{ type: "tool_use", id: "t", name: "x", json: [] }] });
    assert.deepEqual(content, [{ type: "tool_use", id: "t", name: "x", input: {} }]);
  });

  const text: FakeAnswer["blocks"] = [{ type: "text", text: ["x"] }];
  const call: FakeAnswer["blocks"] = [{ type: "tool_use", id: "t", name: "x", json: ["{}"] }];
  for (const [stop_reason, blocks, reason] of [
    ["end_turn", text, "end_turn"],
    ["stop_sequence", text, "end_turn"],
    ["pause_turn", text, "end_turn"],
    ["pause_turn", call, "tool_use"],
    ["tool_use", call, "tool_use"],
    ["end_turn", call, "tool_use"],
    ["tool_use", text, "end_turn"],
    [null, text, "end_turn"],
    ["of_the_future", text, "end_turn"],
    ["max_tokens", call, "max_tokens"],
    ["model_context_window_exceeded", text, "max_tokens"],
  ] as const) {
    test(`stop: ${stop_reason} with ${blocks[0]?.type}`, async () => {
      assert.deepEqual((await finishedOf({ blocks, stop_reason })).stop, { reason });
    });
  }

  test("stop: refusal, with and without details", async () => {
    const stop_details = { type: "refusal", category: "cyber", explanation: "No." };
    assert.deepEqual((await finishedOf({ blocks: [], stop_reason: "refusal", stop_details })).stop, {
      reason: "refusal",
      category: "cyber",
      explanation: "No.",
    });
    assert.deepEqual((await finishedOf({ blocks: [], stop_reason: "refusal" })).stop, {
      reason: "refusal",
      category: null,
      explanation: null,
    });
  });

  test("usage, with what was written to each cache", async () => {
    const first = {
      input_tokens: 7,
      output_tokens: 1,
      cache_read_input_tokens: 5,
      cache_creation_input_tokens: 30,
    };
    const cache_creation = { ephemeral_5m_input_tokens: 10, ephemeral_1h_input_tokens: 20 };
    const split = await finishedOf({
      blocks: [],
      usage: [{ ...first, cache_creation }, { output_tokens: 99 }],
    });
    assert.deepEqual(split.usage, {
      input_tokens: 7,
      output_tokens: 99,
      cache_read_input_tokens: 5,
      cache_creation_5m_input_tokens: 10,
      cache_creation_1h_input_tokens: 20,
    });
    const whole = await finishedOf({
      blocks: [],
      usage: [
        { ...first, cache_creation: null },
        { input_tokens: 8, output_tokens: 9, cache_creation_input_tokens: 31, cache_read_input_tokens: null },
      ],
    });
    assert.deepEqual(whole.usage, {
      input_tokens: 8,
      output_tokens: 9,
      cache_read_input_tokens: 5,
      cache_creation_5m_input_tokens: 31,
      cache_creation_1h_input_tokens: 0,
    });
  });

  test("what is newer than this program is passed over", async () => {
    const [start, ...rest] = answerEvents({ blocks: [{ type: "text", text: ["x"] }] });
    const { ending } = await play({
      chunks: [
        sse([
          start ?? {},
          { type: "weather_report", sunny: true },
          { type: "content_block_start", index: 7, content_block: { type: "hologram" } },
          { type: "content_block_delta", index: 7, delta: { type: "hologram_delta" } },
          ...rest,
        ]),
      ],
    });
    assert.ok(ending.type === "finished");
    assert.deepEqual(ending.content, [{ type: "text", text: "x" }]);
  });

  test("any chunks of the same bytes are the same events", async () => {
    const string = fc.string({ unit: "grapheme", maxLength: 20 });
    const block = fc.oneof(
      fc.record({ type: fc.constant("text" as const), text: fc.array(string) }),
      fc.record({ type: fc.constant("thinking" as const), thinking: fc.array(string), signature: string }),
      fc.record({
        type: fc.constant("tool_use" as const),
        id: string,
        name: string,
        json: fc
          .dictionary(string, fc.jsonValue())
          .map((input) => JSON.stringify(input).split(/(?<=[\s\S]{5})/)),
      }),
    );
    const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 8 });
    const crlf = fc.boolean();
    await fc.assert(
      fc.asyncProperty(fc.array(block, { maxLength: 4 }), cuts, crlf, async (blocks, where, windows) => {
        const whole = sse(answerEvents({ blocks }));
        const bytes = new TextEncoder().encode(windows ? whole.replaceAll("\n", "\r\n") : whole);
        const places = [0, ...where.map((part) => Math.floor(part * bytes.length)), bytes.length].sort(
          (a, b) => a - b,
        );
        const chunks = places.slice(1).map((end, i) => bytes.subarray(places[i], end));
        const cut = await play({ chunks });
        assert.deepEqual(cut, await play({ chunks: [whole] }));
        assert.equal(cut.ending.type, "finished");
      }),
      { numRuns: 60 },
    );
  });
});

describe("abort", () => {
  test("closes the connection while nothing has come yet", async () => {
    const count = fake.requests.length;
    const abort = new AbortController();
    fake.reply({ chunks: [], end: "hang" });
    const answer = answerOf(modelAt(fake.url), go, abort.signal);
    const request = await fake.request(count);
    abort.abort();
    assert.equal((await answer).ending.type, "aborted");
    assert.equal(await request.ended, "closed");
  });

  test("closes the connection in the middle, with the usage so far", async () => {
    const count = fake.requests.length;
    const abort = new AbortController();
    const begun = answerEvents({ blocks: [{ type: "text", text: ["one", "two"] }] }).slice(0, 5);
    fake.reply({ chunks: [sse(begun)], end: "hang" });
    const events: ModelEvent[] = [];
    for await (const event of modelAt(fake.url).stream(go, abort.signal)) {
      events.push(event);
      if (event.type === "text_delta") abort.abort();
    }
    assert.equal(await (await fake.request(count)).ended, "closed");
    assert.equal(events.filter((event) => event.type === "text_delta").length, 1);
    const ending = endingOf(events);
    assert.equal(ending.type, "aborted");
    assert.deepEqual([ending.usage.input_tokens, ending.usage.output_tokens], [10, 1]);
  });

  test("a reader that leaves closes the connection too", async () => {
    const count = fake.requests.length;
    const begun = answerEvents({ blocks: [{ type: "text", text: ["one"] }] }).slice(0, 4);
    fake.reply({ chunks: [sse(begun)], end: "hang" });
    for await (const event of modelAt(fake.url).stream(go, new AbortController().signal)) {
      if (event.type === "text_delta") break;
    }
    assert.equal(await (await fake.request(count)).ended, "closed");
  });
});
