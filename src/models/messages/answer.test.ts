import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { AssistantBlock, ModelEvent } from "../model.ts";
import { messageOf, startMessageStream } from "./answer.ts";
import { unsealed } from "./seal.ts";

const about = { id: "msg_1", model: "some/model" };
const usage = {
  input_tokens: 1,
  output_tokens: 2,
  cache_read_input_tokens: 4,
  cache_creation_5m_input_tokens: 8,
  cache_creation_1h_input_tokens: 16,
};
const content: AssistantBlock[] = [
  { type: "text", text: "I look." },
  { type: "tool_use", id: "call_a", name: "weather", input: { city: "Oslo" } },
];
const finished = { type: "finished", content, stop: { reason: "tool_use" }, usage } as const;

const eventsOf = (events: ModelEvent[]) => {
  const stream = startMessageStream(about);
  return [...stream.start(), ...events.flatMap((event) => [...stream.take(event)])];
};

const [text, call] = content;
assert.ok(text && call);
const block = (index: number, content_block: object, ...deltas: object[]) => [
  { type: "content_block_start", index, content_block },
  ...deltas.map((delta) => ({ type: "content_block_delta", index, delta })),
  { type: "content_block_stop", index },
];
const told = [
  ...block(0, { type: "text", text: "", citations: null }, { type: "text_delta", text: "I look." }),
  ...block(
    1,
    { type: "tool_use", id: "call_a", name: "weather", input: {}, caller: { type: "direct" } },
    { type: "input_json_delta", partial_json: '{"city":"Oslo"}' },
  ),
];

describe("blocks of a stream come one after another, and each once", () => {
  const start: ModelEvent[] = [
    { type: "block_start", index: 0, block: "text" },
    { type: "block_start", index: 1, block: "tool_use" },
    { type: "text_delta", index: 0, text: "I look." },
  ];
  const first: ModelEvent = { type: "block_end", index: 0, block: text };
  const second: ModelEvent = { type: "block_end", index: 1, block: call };
  for (const [name, ends] of [
    ["in their order", [first, second]],
    ["the other way round", [second, first]],
    ["the second alone", [second]],
    ["the first alone", [first]],
    ["none", []],
  ] as const)
    test(`whose ends are told: ${name}`, () => {
      assert.deepEqual(eventsOf([...start, ...ends, finished]).slice(1), told);
    });

  test("what a call needs to go back comes right before it", () => {
    const vendor = { provider: "p", data: '{"p":{"sign":"s"}}' };
    const events = eventsOf([
      ...start.slice(1, 2).map((event) => ({ ...event, index: 0 }) as ModelEvent),
      { type: "block_end", index: 0, block: { ...call, vendor } as AssistantBlock },
    ]);
    const [, sealed] = events as { content_block?: { type: string; data: string } }[];
    assert.equal(sealed?.content_block?.type, "redacted_thinking");
    assert.deepEqual(unsealed(sealed.content_block.data), vendor);
    assert.deepEqual(
      events.slice(1).map((event) => event.index),
      [0, 0, 1, 1, 1],
    );
  });

  test("and nothing where that is nothing", () => {
    const vendor = { provider: "p", data: null };
    const { content } = messageOf(about, { ...finished, content: [{ ...call, vendor } as AssistantBlock] });
    assert.equal((content as unknown[]).length, 1);
  });
});

test("usage adds up what was written to the cache, and says for how long", () => {
  const counts = {
    input_tokens: 1,
    output_tokens: 2,
    output_tokens_details: null,
    cache_read_input_tokens: 4,
    cache_creation_input_tokens: 24,
    server_tool_use: null,
  };
  assert.deepEqual(messageOf(about, finished).usage, {
    ...counts,
    cache_creation: { ephemeral_5m_input_tokens: 8, ephemeral_1h_input_tokens: 16 },
    inference_geo: null,
    service_tier: null,
    speed: null,
  });
  const [delta] = [...startMessageStream(about).finish(finished)];
  assert.deepEqual(delta?.usage, counts);
});

test("a refusal says why", () => {
  const stop = { reason: "refusal", category: null, explanation: "no" } as const;
  const stop_details = { type: "refusal", category: null, explanation: "no" };
  const message = messageOf(about, { ...finished, stop });
  assert.deepEqual([message.stop_reason, message.stop_details], ["refusal", stop_details]);
  const [delta] = [...startMessageStream(about).finish({ ...finished, stop })];
  assert.deepEqual(delta?.delta, {
    stop_reason: "refusal",
    stop_details,
    stop_sequence: null,
    container: null,
  });
});
