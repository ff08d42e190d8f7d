import assert from "node:assert/strict";
import { test } from "node:test";
import { APICallError, UnsupportedFunctionalityError } from "@ai-sdk/provider";
import { ErrorInStream } from "./answer.ts";
import { failureOf } from "./failure.ts";

const answered = (statusCode: number, body: unknown, responseHeaders: Record<string, string> = {}) =>
  failureOf(
    new APICallError({
      message: "it failed",
      url: "http://127.0.0.1/",
      requestBodyValues: {},
      statusCode,
      responseHeaders,
      responseBody: typeof body === "string" ? body : JSON.stringify(body),
    }),
    "p",
  );

for (const [status, body, kind, retryable] of [
  [402, { error: { message: "pay" } }, "billing", false],
  [429, { error: { message: "pay", code: "insufficient_quota" } }, "billing", false],
  [408, { error: { message: "slow" } }, "unavailable", true],
  [409, { error: { message: "busy" } }, "unavailable", true],
  [422, { error: { message: "no" } }, "rejected", false],
  [529, { error: { message: "full" } }, "overloaded", true],
  [400, { error: { message: "key", details: [{ reason: "API_KEY_INVALID" }] } }, "authentication", false],
  [500, [{ error: { message: "listed" } }], "unavailable", true],
  [400, "not JSON", "rejected", false],
] as const) {
  test(`${status} with ${JSON.stringify(body)} is ${kind}`, () => {
    const failure = answered(status, body);
    assert.deepEqual([failure.kind, failure.retryable], [kind, retryable]);
  });
}

test("Google says within the error when to come back", () => {
  for (const [retryDelay, ms] of [
    ["34s", 34_000],
    ["1.5s", 1_500],
    ["soon", null],
  ] as const) {
    const details = [{ "@type": "QuotaFailure" }, { retryDelay }];
    assert.equal(answered(429, { error: { message: "later", details } }).retry_after_ms, ms);
  }
});

test("a provider may forbid another try", () => {
  assert.equal(answered(500, { error: { message: "x" } }, { "x-should-retry": "false" }).retryable, false);
});

test("an error is found wherever it stands in a stream", () => {
  const error = { message: "found", code: "rate_limit_exceeded" };
  for (const cause of [error, { error }, { response: { error } }, [{ error }], { value: { error } }]) {
    const { kind, message } = failureOf(new ErrorInStream("x", { cause }), "p");
    assert.deepEqual(
      [kind, message],
      ["rate_limited", 'The provider "p" answered: found (rate_limit_exceeded)'],
    );
  }
  const { message } = failureOf(new ErrorInStream("x", { cause: "just words" }), "p");
  assert.equal(message, 'The provider "p" answered: just words');
});

test("what an SDK refuses to send is rejected", () => {
  const { kind, message } = failureOf(new UnsupportedFunctionalityError({ functionality: "films" }), "p");
  assert.equal(kind, "rejected");
  assert.match(message, /The provider "p" cannot be asked this: .*films/);
});
