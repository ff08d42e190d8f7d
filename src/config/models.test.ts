import assert from "node:assert/strict";
import { test } from "node:test";
import { parseConfigFile } from "./file.ts";
import { type ModelsFile, modelsConfig, providerUrl, resolveModel } from "./models.ts";

const problemsOf = (models: object): string[] => {
  const parsed = parseConfigFile(JSON.stringify({ models }));
  return "problems" in parsed ? parsed.problems : [];
};

const configOf = (providers: ModelsFile["providers"], env: Record<string, string> = {}) =>
  modelsConfig(env, { providers });

test("fallbacks have an end", () => {
  const fallbacks = { "claude-opus-5-5": Array.from({ length: 11 }, () => "simulated") };
  assert.deepEqual(problemsOf({ fallbacks }), ["models.fallbacks.claude-opus-5-5: must be at most 10"]);
});

test("the built-in provider keeps its name", () => {
  const [problem] = problemsOf({ providers: { simulated: { type: "openai" } } });
  assert.match(problem ?? "", /is the name of the built-in provider/);
});

test("a key from a variable has to fit into a header, and is not repeated", () => {
  const { problems } = configOf({ work: { type: "openai", api_key_env: "WORK" } }, { WORK: "se\ncret" });
  assert.deepEqual(problems, ["WORK: must be printable characters without spaces"]);
});

test("an address holds nothing but the place", () => {
  assert.ok(providerUrl.safeParse("https://example.com:8080/v1").success);
  for (const text of ["https://u@example.com", "https://:p@example.com", "https://example.com/?k=1"])
    assert.ok(!providerUrl.safeParse(text).success, text);
  for (const text of ["https://example.com/#k", "ftp://example.com", "example.com", ""])
    assert.ok(!providerUrl.safeParse(text).success, text);
});

test("what is no address is named as that", () => {
  const problems = problemsOf({ providers: { work: { type: "openai", base_url: "nowhere" } } });
  assert.deepEqual(problems, ["models.providers.work.base_url: must be an http or https URL"]);
});

test("who needs no key says so, unless it names one", () => {
  const { config } = configOf({
    local: { type: "openai-compatible", base_url: "http://127.0.0.1:1" },
    cloud: { type: "vertex", region: "eu", project: "p" },
    gateway: { type: "openai-compatible", base_url: "http://127.0.0.1:1", api_key_env: "KEY" },
    aws: { type: "bedrock", region: "eu-west-1" },
  });
  const from = ["local", "cloud", "gateway", "aws"].map((name) => config.providers.get(name)?.key_from);
  assert.deepEqual(from, [null, null, "KEY", "models.providers.aws.api_key"]);
});

test("a model's id may have slashes of its own", () => {
  const { config } = configOf({ gateway: { type: "openai-compatible", base_url: "http://127.0.0.1:1" } });
  assert.deepEqual(resolveModel("gateway/org/model", config), { provider: "gateway", model: "org/model" });
});
