import assert from "node:assert/strict";
import { test } from "node:test";
import type { LanguageModelV4StreamPart } from "@ai-sdk/provider";
import { startAnswer } from "./answer.ts";

type Part = LanguageModelV4StreamPart;

const usage = {
  inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: 1, text: 1, reasoning: 0 },
};
const finish = (
  unified: Extract<Part, { type: "finish" }>["finishReason"]["unified"],
  raw: string | undefined,
): Part => ({ type: "finish", finishReason: { unified, raw }, usage });

function finishedOf(...parts: Part[]) {
  const answer = startAnswer("p");
  for (const part of parts) answer.take(part);
  const ending = answer.finished();
  assert.ok(ending.type === "finished");
  return ending;
}

const call = (toolCallId: string, input: string, itemId: string): Part => ({
  type: "tool-call",
  toolCallId,
  toolName: "bash",
  input,
  providerMetadata: { p: { itemId } },
});
const callBegins = (id: string): Part => ({ type: "tool-input-start", id, toolName: "bash" });

test("calls of one id keep what the provider wants back with each", () => {
  const begun = [callBegins("a"), callBegins("a")];
  const { content } = finishedOf(...begun, call("a", "{}", "1"), call("a", "{}", "2"), finish("stop", "x"));
  assert.deepEqual(
    content.map((block) => "vendor" in block && block.vendor?.data),
    ['{"p":{"itemId":"1"}}', '{"p":{"itemId":"2"}}'],
  );
});

test("arguments of nothing but spaces are none", () => {
  const { content } = finishedOf(call("a", " \n", "1"), finish("stop", "x"));
  assert.ok(content[0]?.type === "tool_use");
  assert.deepEqual([content[0].input, content[0].malformed], [{}, undefined]);
});

test("texts and thoughts whose ids come again are others", () => {
  const { content } = finishedOf(
    { type: "reasoning-start", id: "0" },
    { type: "reasoning-delta", id: "0", delta: "hm" },
    { type: "reasoning-end", id: "0" },
    { type: "text-delta", id: "0", delta: "one" },
    { type: "text-end", id: "0" },
    { type: "reasoning-delta", id: "0", delta: "late" },
    { type: "text-delta", id: "0", delta: "two" },
    finish("stop", "x"),
  );
  assert.deepEqual(
    content.map((block) =>
      block.type === "text" ? block.text : block.type === "thinking" && block.thinking,
    ),
    ["hm", "one", "two"],
  );
});

test("a refusal says in which words", () => {
  const explained = finishedOf(finish("content-filter", "SAFETY")).stop;
  assert.ok(explained.reason === "refusal");
  assert.equal(explained.explanation, "The provider ended the answer: SAFETY.");
  const silent = finishedOf(finish("content-filter", undefined)).stop;
  assert.ok(silent.reason === "refusal" && silent.explanation === null);
});

test("an end that is none is thrown", () => {
  const answer = startAnswer("p");
  assert.throws(() => answer.take(finish("error", "MALFORMED_FUNCTION_CALL")), {
    name: "ErrorInStream",
    cause: { message: "the answer ended with MALFORMED_FUNCTION_CALL" },
  });
  for (const unified of ["error", "interrupted", "other"] as const)
    assert.throws(() => answer.take(finish(unified, undefined)), { name: "BrokenStream" });
  assert.equal(answer.isComplete(), false);
});
