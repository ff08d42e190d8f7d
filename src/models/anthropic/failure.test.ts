import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  answerEvents,
  errorReply,
  type FakeAnthropic,
  type FakeReply,
  sse,
  startFakeAnthropic,
} from "../../../test/fakes/anthropic.ts";
import { type AnthropicOptions, anthropicModel } from "../anthropic.ts";
import { answerOf, requestOf, userSays } from "../model.spec.ts";
import type { ModelFailure } from "../model.ts";

const api_key = "key-of-the-provider";
const go = requestOf("claude-opus-5-5", [userSays("go")]);

let fake: FakeAnthropic;
before(async () => {
  fake = await startFakeAnthropic();
});
after(() => fake.close());

async function play(reply: FakeReply, more: Partial<AnthropicOptions> = {}) {
  fake.reply(reply);
  return answerOf(anthropicModel({ api_key, base_url: fake.url, ...more }), go);
}

async function failureOf(reply: FakeReply, more: Partial<AnthropicOptions> = {}): Promise<ModelFailure> {
  const { ending } = await play(reply, more);
  assert.ok(ending.type === "failed");
  return ending.failure;
}

const answers: [number, string, ModelFailure["kind"], boolean][] = [
  [429, "rate_limit_error", "rate_limited", true],
  [529, "overloaded_error", "overloaded", true],
  [503, "overloaded_error", "overloaded", true],
  [500, "api_error", "unavailable", true],
  [502, "", "unavailable", true],
  [504, "timeout_error", "unavailable", true],
  [408, "", "unavailable", true],
  [409, "conflict_error", "unavailable", true],
  [401, "authentication_error", "authentication", false],
  [403, "permission_error", "authentication", false],
  [402, "billing_error", "billing", false],
  [429, "billing_error", "billing", false],
  [400, "invalid_request_error", "rejected", false],
  [404, "not_found_error", "not_configured", false],
  [404, "", "not_configured", false],
  [413, "request_too_large", "too_long", false],
];
for (const [status, type, kind, retryable] of answers) {
  test(`${status} ${type}`, async () => {
    const failure = await failureOf(errorReply(status, type, "because"));
    assert.deepEqual([failure.kind, failure.retryable], [kind, retryable]);
    assert.equal(failure.retry_after_ms, null);
    assert.match(failure.message, /because .*req_fake/);
    assert.doesNotMatch(failure.message, new RegExp(api_key));
  });
}

test("an authentication error says which setting to look at", async () => {
  const failure = await failureOf(errorReply(401, "authentication_error", "invalid key"));
  assert.match(failure.message, /DROVER_ANTHROPIC_API_KEY/);
});

test("a model that is not there says which settings to look at", async () => {
  const failure = await failureOf(errorReply(404, "not_found_error", "model: claude-none"));
  assert.match(failure.message, /the model's name and DROVER_ANTHROPIC_BASE_URL/);
});

test("an answer that is not JSON", async () => {
  const failure = await failureOf({ status: 502, chunks: ["<html>Bad gateway</html>"] });
  assert.equal(failure.kind, "unavailable");
  assert.match(failure.message, /Bad gateway/);
});

for (const [headers, expected] of [
  [{ "retry-after": "7" }, 7_000],
  [{ "retry-after": "0.5" }, 500],
  [{ "retry-after-ms": "1234", "retry-after": "7" }, 1_234],
  [{ "retry-after": "Wed, 21 Oct 2015 07:28:00 GMT" }, 0],
  [{ "retry-after": "soon" }, null],
] as const) {
  test(`${JSON.stringify(headers)} is ${expected} ms`, async () => {
    const failure = await failureOf(errorReply(429, "rate_limit_error", "slow down", headers));
    assert.equal(failure.retry_after_ms, expected);
  });
}

test("an upstream that says not to retry is believed", async () => {
  const failure = await failureOf(errorReply(429, "rate_limit_error", "x", { "x-should-retry": "false" }));
  assert.deepEqual([failure.kind, failure.retryable], ["rate_limited", false]);
});

for (const [type, kind] of [
  ["overloaded_error", "overloaded"],
  ["rate_limit_error", "rate_limited"],
  ["api_error", "unavailable"],
  ["invalid_request_error", "rejected"],
  ["billing_error", "billing"],
  ["of_the_future", "unavailable"],
] as const) {
  test(`${type} within a stream`, async () => {
    const [start] = answerEvents({ blocks: [] });
    const error = { type: "error", error: { type, message: "because" } };
    const { ending } = await play({ chunks: [sse([start ?? {}, error])] });
    assert.ok(ending.type === "failed");
    assert.equal(ending.failure.kind, kind);
    assert.match(ending.failure.message, /because/);
    assert.equal(ending.usage.input_tokens, 10);
  });
}

const whole = sse(answerEvents({ blocks: [{ type: "text", text: ["half of it"] }] }));
const broken: Record<string, FakeReply> = {
  "a stream that ends early": { chunks: [whole.slice(0, whole.indexOf("event: message_stop"))] },
  "a stream that ends within an event": { chunks: [whole.slice(0, -20)] },
  "a broken connection": { chunks: [whole.slice(0, 400)], end: "cut" },
  "no stream at all": { chunks: ["<html>Welcome to the hotel</html>"] },
  "an event that is not JSON": { chunks: ["event: message_start\ndata: {oops\n\n"] },
  "a malformed event": { chunks: [sse([{ type: "content_block_delta", index: "first" }])] },
};
for (const [name, reply] of Object.entries(broken)) {
  test(name, async () => {
    const failure = await failureOf(reply);
    assert.deepEqual([failure.kind, failure.retryable], ["unavailable", true]);
  });
}

test("nobody listens", async () => {
  const gone = await startFakeAnthropic();
  await gone.close();
  const { ending } = await answerOf(anthropicModel({ api_key, base_url: gone.url }), go);
  assert.ok(ending.type === "failed");
  assert.deepEqual([ending.failure.kind, ending.failure.retryable], ["unavailable", true]);
  assert.match(ending.failure.message, /ECONNREFUSED/);
});

test("an upstream that falls silent is given up, and its connection closed", async () => {
  const count = fake.requests.length;
  const failure = await failureOf({ chunks: [whole.slice(0, 400)], end: "hang" }, { idle_ms: 50 });
  assert.deepEqual([failure.kind, failure.retryable], ["unavailable", true]);
  assert.match(failure.message, /nothing came for 50 ms/);
  assert.equal(await (await fake.request(count)).ended, "closed");
});

test("an answer that is complete stands, even when the connection breaks after it", async () => {
  const { ending } = await play({ chunks: [whole], end: "cut" });
  assert.equal(ending.type, "finished");
});
