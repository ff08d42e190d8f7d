import assert from "node:assert/strict";
import { test } from "node:test";
import { type ModelsFile, modelsConfig } from "../config/models.ts";
import { answerOf, requestOf, userSays } from "./model.spec.ts";
import { createModels } from "./registry.ts";

const modelsOf = (env: Record<string, string>, file: ModelsFile = {}) =>
  createModels(modelsConfig(env, file).config);
const key = { DROVER_ANTHROPIC_API_KEY: "k", DROVER_ANTHROPIC_BASE_URL: "http://127.0.0.1:1" };
const configured = modelsOf(key);
const bare = modelsOf({});

for (const id of ["simulated", "simulated/typing", "simulated/300"]) {
  test(`${id} needs no key`, () => assert.ok("model" in bare.find(id)));
}

for (const id of ["claude-opus-5-5", "anthropic/claude-opus-5-5", "anthropic/some-gateway-model"]) {
  test(`${id} needs a key`, () => {
    assert.ok("model" in configured.find(id));
    const found = bare.find(id);
    assert.ok("missing" in found && found.missing.startsWith("DROVER_ANTHROPIC_API_KEY is not set"));
    assert.ok(found.missing.includes(`"${id}"`));
  });
}

for (const id of ["gpt-9", "", "simulated2", "opneai/x"]) {
  test(`"${id}" has no provider`, () => {
    const found = configured.find(id);
    assert.ok("missing" in found && found.missing.includes('"simulated"'));
  });
}

for (const speed of ["", "0", "fast", "-1", "1e9"]) {
  test(`"${speed}" is no speed`, () => {
    const found = configured.find(`simulated/${speed}`);
    assert.ok("missing" in found && found.missing.includes("simulated/typing"));
  });
}

const withJudge = modelsOf({}, { judge: "claude-sonnet-5-5" });
for (const [id, ...judges] of [
  ["claude-opus-5-5", "claude-haiku-5-5", "claude-sonnet-5-5"],
  ["anthropic/some-gateway-model", "claude-haiku-5-5", "claude-sonnet-5-5"],
  ["simulated", "simulated", "simulated"],
  ["simulated/typing", "simulated", "simulated"],
] as const) {
  test(`calls of ${id} are judged by ${judges.join(", or where it is set by ")}`, () => {
    assert.deepEqual([bare.judgeOf(id), withJudge.judgeOf(id)], judges);
  });
}

test("an agent without Claude is judged by its own model, unless another one is named", () => {
  const openai = { DROVER_OPENAI_API_KEY: "k" };
  assert.equal(modelsOf(openai).judgeOf("openai/gpt-5"), "openai/gpt-5");
  assert.equal(modelsOf({ ...openai, ...key }).judgeOf("openai/gpt-5"), "claude-haiku-5-5");
  assert.equal(modelsOf(openai, { judge: "openai/small" }).judgeOf("openai/gpt-5"), "openai/small");
  assert.equal(modelsOf(openai, { aliases: { default: "simulated" } }).judgeOf("default"), "simulated");
});

test("the context of a model is what the configuration says, or what is known of its name or of what that stands for", () => {
  const { contextWindow } = modelsOf(key, {
    providers: { local: { type: "openai-compatible", base_url: "http://127.0.0.1:1" } },
    aliases: { default: "claude-opus-5-5", small: "local/qwen3", tight: "small" },
    context_windows: { "local/qwen3": 32_768, tight: 8_192 },
  });
  for (const [id, tokens] of [
    ["claude-opus-5-5", 1_000_000],
    ["default", 1_000_000],
    ["claude-haiku-4-5", 200_000],
    ["local/qwen3", 32_768],
    ["small", 32_768],
    ["tight", 8_192],
    ["local/other", 200_000],
    ["openai/gpt-5.2", 272_000],
    ["openai/gpt-4.1-mini", 1_000_000],
    ["openai/gpt-4o", 128_000],
    ["google/gemini-3-pro", 1_000_000],
    ["mistral/mistral-medium-latest", 128_000],
    ["mistral/codestral-latest", 128_000],
    ["simulated/300", 1_000_000_000],
  ] as const) {
    assert.equal(contextWindow(id), tokens, id);
  }
});

const file: ModelsFile = {
  providers: { local: { type: "openai-compatible", base_url: "http://127.0.0.1:9/v1" } },
  aliases: { default: "local/qwen3:32b", "claude-opus-4-7": "simulated" },
  fallbacks: { "claude-opus-5-5": ["openai/x", "simulated"], "local/qwen3:32b": ["simulated"] },
};

for (const [id, provider, after] of [
  ["claude-opus-4-7", "simulated", []],
  ["claude-opus-5-5", "simulated", []],
  ["default", "simulated", [{ provider: "local", model: "qwen3:32b", failure: "unavailable" }]],
  ["local/qwen3:32b", "simulated", [{ provider: "local", model: "qwen3:32b", failure: "unavailable" }]],
] as const) {
  test(`${id} is served by ${provider}`, async () => {
    const found = modelsOf({}, file).find(id);
    assert.ok("model" in found);
    const { ending } = await answerOf(found.model, requestOf(id, [userSays("say hi")]));
    assert.ok(ending.type === "finished");
    assert.deepEqual(ending.content, [{ type: "text", text: "hi" }]);
    assert.deepEqual(ending.served_by, { provider, model: "simulated", after });
  });
}

test("a provider that the file names needs the key that it names", () => {
  const models = modelsOf({}, { providers: { work: { type: "openai", api_key_env: "WORK_KEY" } } });
  const found = models.find("work/gpt-5");
  assert.ok("missing" in found && found.missing.startsWith("WORK_KEY is not set"));
});
