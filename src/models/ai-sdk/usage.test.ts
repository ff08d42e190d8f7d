import assert from "node:assert/strict";
import { test } from "node:test";
import { noUsage } from "../model.ts";
import { usageOf, usageSoFar } from "./usage.ts";

test("usage of a whole answer, also where the parts are not named", () => {
  const outputTokens = { total: 3, text: 3, reasoning: 0 };
  const parts = { cacheRead: 5, cacheWrite: 2 };
  const counted = {
    ...noUsage,
    input_tokens: 10,
    output_tokens: 3,
    cache_read_input_tokens: 5,
    cache_creation_5m_input_tokens: 2,
  };
  for (const noCache of [10, undefined])
    assert.deepEqual(usageOf({ inputTokens: { total: 17, noCache, ...parts }, outputTokens }), counted);
});

test("who miscounts gives nothing back", () => {
  const inputTokens = { total: 3, noCache: -4, cacheRead: 7, cacheWrite: undefined };
  const outputTokens = { total: 1.5, text: undefined, reasoning: undefined };
  const { input_tokens, output_tokens } = usageOf({ inputTokens, outputTokens });
  assert.deepEqual([input_tokens, output_tokens], [0, 2]);
});

test("usage so far, where a piece of a stream has it", () => {
  const taken = { ...noUsage, input_tokens: 8, output_tokens: 5, cache_read_input_tokens: 4 };
  const usageMetadata = {
    promptTokenCount: 10,
    toolUsePromptTokenCount: 2,
    cachedContentTokenCount: 4,
    candidatesTokenCount: 3,
    thoughtsTokenCount: 2,
  };
  assert.deepEqual(usageSoFar({ usageMetadata }), taken);
  const usage = { prompt_tokens: 12, completion_tokens: 5, prompt_tokens_details: { cached_tokens: 4 } };
  assert.deepEqual(usageSoFar({ choices: [], usage }), taken);
  assert.deepEqual(usageSoFar({ usage: { prompt_tokens: 12 } }), { ...noUsage, input_tokens: 12 });
  for (const silent of [{ usage: null }, { choices: [] }, null, "[DONE]", { usage: { input_tokens: 1 } }])
    assert.equal(usageSoFar(silent), null);
});
