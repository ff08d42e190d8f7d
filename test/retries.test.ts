import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { BadRequestError } from "@anthropic-ai/sdk";
import { limits } from "../src/limits.ts";
import {
  answerEvents,
  errorReply,
  type FakeReply,
  sse,
  startFakeAnthropic,
  textReply,
} from "./fakes/anthropic.ts";
import { startTestServer } from "./harness/server.ts";
import {
  follow,
  isIdle,
  isOf,
  message,
  newSession,
  prepare,
  type StreamEvent,
  saidIn,
  send,
  turn,
  typesOf,
} from "./harness/session.ts";

const upstream = await startFakeAnthropic();
const api = await startTestServer({ anthropic_url: upstream.url });
const unconfigured = await startTestServer();
const facts = await prepare(api.client, "claude-opus-5-5");
after(async () => {
  await Promise.all([api.close(), unconfigured.close()]);
  await upstream.close();
});

const session = async () => (await newSession(api.client, facts)).id;
const errorsIn = (events: StreamEvent[]) => events.filter(isOf("session.error")).map(({ error }) => error);
const stopOf = (events: StreamEvent[]) => events.findLast(isOf("session.status_idle"))?.stop_reason;

const cutAt = (events: number): FakeReply => ({
  chunks: [sse(answerEvents({ blocks: [{ type: "text", text: ["half a ", "sentence"] }] }).slice(0, events))],
  end: "cut",
});

const transient: [string, FakeReply, string][] = [
  ["429", errorReply(429, "rate_limit_error", "slow down"), "model_rate_limited_error"],
  ["529", errorReply(529, "overloaded_error", "overloaded"), "model_overloaded_error"],
  ["500", errorReply(500, "api_error", "oops"), "model_request_failed_error"],
  ["503", errorReply(503, "api_error", "away"), "model_request_failed_error"],
  ["408", errorReply(408, "timeout_error", "late"), "model_request_failed_error"],
  ["a connection broken before any byte", { chunks: [], end: "cut" }, "model_request_failed_error"],
  ["a stream cut in the middle of a text", cutAt(5), "model_request_failed_error"],
  ["a stream that ends without its end", { chunks: cutAt(5).chunks }, "model_request_failed_error"],
  [
    "an error within the stream",
    {
      chunks: [
        sse(answerEvents({ blocks: [{ type: "text", text: ["half"] }] }).slice(0, 4)),
        sse([{ type: "error", error: { type: "overloaded_error", message: "Overloaded" } }]),
      ],
    },
    "model_overloaded_error",
  ],
  [
    "a page of HTML",
    { status: 502, headers: { "content-type": "text/html" }, chunks: ["<h1>Bad gateway</h1>"] },
    "model_request_failed_error",
  ],
];

describe("what may pass is tried again", () => {
  for (const [name, failure, type] of transient) {
    test(name, async () => {
      const id = await session();
      upstream.reply(failure, textReply("recovered"));
      const asked = upstream.requests.length;
      const events = await turn(api.client, id, "hello");
      assert.deepEqual(typesOf(events).slice(4), [
        "span.model_request_start",
        "span.model_request_end",
        "session.error",
        "session.thread_status_rescheduled",
        "session.status_rescheduled",
        "session.status_running",
        "session.thread_status_running",
        "span.model_request_start",
        "agent.message",
        "span.model_request_end",
        "session.thread_status_idle",
        "session.usage",
        "session.status_idle",
      ]);
      const [error] = errorsIn(events);
      assert.equal(error?.type, type);
      assert.deepEqual(error && "retry_status" in error && error.retry_status, { type: "retrying" });
      assert.deepEqual(
        events.filter(isOf("span.model_request_end")).map(({ is_error }) => is_error),
        [true, false],
      );
      assert.equal(saidIn(events), "recovered");
      assert.deepEqual(stopOf(events), { type: "end_turn" });
      const [first, second] = upstream.requests.slice(asked);
      assert.equal(second?.text, first?.text, "the same request, byte for byte");
    });
  }
});

describe("what cannot pass fails at once", () => {
  const final: [string, FakeReply, string, RegExp][] = [
    ["400", errorReply(400, "invalid_request_error", "too long"), "model_request_failed_error", /too long/],
    [
      "401",
      errorReply(401, "authentication_error", "bad key"),
      "model_request_failed_error",
      /DROVER_ANTHROPIC_API_KEY/,
    ],
    ["402", errorReply(402, "billing_error", "no credit"), "billing_error", /no credit/],
    ["403", errorReply(403, "permission_error", "not yours"), "model_request_failed_error", /not yours/],
    [
      "404",
      errorReply(404, "not_found_error", "no such model"),
      "model_request_failed_error",
      /no such model/,
    ],
    [
      "413",
      errorReply(413, "request_too_large", "too large"),
      "compaction_limit_reached_error",
      /too long for the model/,
    ],
  ];
  for (const [name, failure, type, message] of final) {
    test(`${name}, and the next message starts over`, async () => {
      const id = await session();
      const asked = upstream.requests.length;
      upstream.reply(failure);
      const events = await turn(api.client, id, "hello");
      const [error, ...more] = errorsIn(events);
      assert.deepEqual(more, []);
      assert.equal(error?.type, type);
      assert.match(error && "message" in error ? error.message : "", message);
      assert.deepEqual(error && "retry_status" in error && error.retry_status, { type: "exhausted" });
      assert.deepEqual(stopOf(events), { type: "retries_exhausted" });
      assert.equal(upstream.requests.length, asked + 1);
      upstream.reply(textReply("better"));
      assert.equal(saidIn(await turn(api.client, id, "again")), "better");
    });
  }
});

test("a refusal ends the turn with its details", async () => {
  const id = await session();
  upstream.reply({
    chunks: [
      sse(
        answerEvents({
          blocks: [{ type: "text", text: ["I can"] }],
          stop_reason: "refusal",
          stop_details: { type: "refusal", category: "cyber", explanation: "no" },
        }),
      ),
    ],
  });
  const events = await turn(api.client, id, "hello");
  assert.deepEqual(stopOf(events), { type: "refusal" });
  assert.deepEqual(events.findLast(isOf("session.status_idle"))?.stop_details, {
    type: "refusal",
    category: "cyber",
    explanation: "no",
  });
});

describe("while it waits to try again", () => {
  const later = () => errorReply(529, "overloaded_error", "overloaded", { "retry-after": "3600" });

  test("the session is rescheduling, is not archived, and an interrupt ends the turn at once", async () => {
    const id = await session();
    const asked = upstream.requests.length;
    upstream.reply(later());
    const following = await follow(api.client, id);
    await send(api.client, id, message("hello"));
    await following.until(isOf("session.status_rescheduled"));
    assert.equal((await api.client.beta.sessions.retrieve(id)).status, "rescheduling");
    await assert.rejects(api.client.beta.sessions.archive(id), BadRequestError);
    await assert.rejects(api.client.beta.sessions.delete(id), BadRequestError);
    await send(api.client, id, { type: "user.interrupt" });
    const events = await following.until(isIdle);
    assert.deepEqual(stopOf(events), { type: "end_turn" });
    assert.equal(upstream.requests.length, asked + 1);
    upstream.reply(textReply("better"));
    await send(api.client, id, message("again"));
    assert.equal(saidIn(await following.until(isIdle, 2)), "better");
    following.close();
  });

  test("a message waits with it", async () => {
    const id = await session();
    const asked = upstream.requests.length;
    upstream.reply(errorReply(529, "overloaded_error", "overloaded"), textReply("both heard"));
    const following = await follow(api.client, id);
    await send(api.client, id, message("one"));
    await following.until(isOf("session.status_rescheduled"));
    await send(api.client, id, message("two"));
    const events = await following.until(isIdle);
    following.close();
    assert.equal(saidIn(events), "both heard");
    assert.match(upstream.requests[asked + 1]?.text ?? "", /"one".*"two"/);
    assert.equal(upstream.requests.length, asked + 2);
  });
});

test("retries are used up, and the session stays usable", async () => {
  const id = await session();
  const asked = upstream.requests.length;
  const attempts = limits.model_retries_max + 1;
  upstream.reply(
    ...Array.from({ length: attempts }, () => errorReply(529, "overloaded_error", "overloaded")),
  );
  const events = await turn(api.client, id, "hello");
  const statuses = errorsIn(events).map((error) => "retry_status" in error && error.retry_status.type);
  assert.deepEqual(statuses, [...Array(attempts - 1).fill("retrying"), "exhausted"]);
  assert.deepEqual(stopOf(events), { type: "retries_exhausted" });
  assert.equal(upstream.requests.length, asked + attempts);
  assert.equal(events.filter(isOf("span.model_request_end")).length, attempts);
  assert.equal((await api.client.beta.sessions.retrieve(id)).status, "idle");
  upstream.reply(textReply("better"));
  assert.equal(saidIn(await turn(api.client, id, "again")), "better");
});

test("a model without a provider: the error names the setting, and the session stays usable", async () => {
  for (const [model, missing] of [
    ["claude-opus-5-5", /DROVER_ANTHROPIC_API_KEY/],
    ["gpt-99", /No provider is known for the model "gpt-99"/],
    ["simulated/warp", /no speed "warp"/],
  ] as const) {
    const { id } = await newSession(unconfigured.client, await prepare(unconfigured.client, model));
    for (let n = 0; n < 2; n += 1) {
      const events = await turn(unconfigured.client, id, "hello");
      const [error, ...more] = errorsIn(events);
      assert.deepEqual(more, []);
      assert.match(error && "message" in error ? error.message : "", missing);
      assert.deepEqual(stopOf(events), { type: "retries_exhausted" });
    }
    assert.equal((await unconfigured.client.beta.sessions.retrieve(id)).status, "idle");
  }
});
