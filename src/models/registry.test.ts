import assert from "node:assert/strict";
import { test } from "node:test";
import { createModels } from "./registry.ts";

const configured = createModels({ anthropic: { api_key: "k", base_url: "http://127.0.0.1:1" } });
const bare = createModels({ anthropic: null });

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

for (const id of ["gpt-9", "", "simulated2", "openai/x"]) {
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

const withJudge = createModels({ anthropic: null, judge_model: "claude-sonnet-5-5" });
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
