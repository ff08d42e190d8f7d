import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type FakeAnthropic, startFakeAnthropic, textReply } from "../../../test/fakes/anthropic.ts";
import { type ModelsFile, modelsConfig } from "../../config/models.ts";
import { addressOf } from "../addresses.ts";
import { answerOf, requestOf, userSays } from "../model.spec.ts";
import { createModels } from "../registry.ts";

type Provider = NonNullable<ModelsFile["providers"]>[string];

let fake: FakeAnthropic;
before(async () => {
  fake = await startFakeAnthropic(() => textReply("hi"));
});
after(() => fake.close());

/** What the platform is sent for a model of this provider. */
async function sentBy(provider: Provider, model: string) {
  const { config } = modelsConfig({}, { providers: { cloud: { ...provider, base_url: fake.url } } });
  const found = createModels(config).find(`cloud/${model}`);
  assert.ok("model" in found);
  const request = requestOf(`cloud/${model}`, [userSays("go")]);
  const { ending } = await answerOf(found.model, { ...request, effort: "high" });
  assert.ok(ending.type === "finished");
  return fake.requests.at(-1) ?? assert.fail();
}

const address = (provider: Provider) =>
  addressOf(
    modelsConfig({}, { providers: { cloud: provider } }).config.providers.get("cloud") ?? assert.fail(),
  );

describe("Claude elsewhere", () => {
  test("on Bedrock", async () => {
    const provider: Provider = { type: "bedrock", region: "eu-west-1", api_key: "k" };
    const { path, headers, body } = await sentBy(provider, "anthropic.claude-opus-5-5");
    assert.deepEqual([path, headers.authorization], ["/v1/messages", "Bearer k"]);
    assert.equal(body.model, "anthropic.claude-opus-5-5");
    assert.deepEqual([body.thinking, body.output_config?.effort], [{ type: "adaptive" }, "high"]);
    assert.equal(address(provider), "https://bedrock-mantle.eu-west-1.api.aws/anthropic");
  });

  test("on Foundry", async () => {
    const provider: Provider = { type: "foundry", resource: "ours", api_key: "k" };
    const { path, headers } = await sentBy(provider, "claude-opus-5-5");
    assert.deepEqual([path, headers["x-api-key"], headers.authorization], ["/v1/messages", "k", undefined]);
    assert.equal(address(provider), "https://ours.services.ai.azure.com/anthropic");
  });

  test("on Vertex", async () => {
    const provider: Provider = { type: "vertex", project: "p", region: "europe-west1", api_key: "token" };
    const { path, headers, text } = await sentBy(provider, "claude-opus-4-8@20260101");
    const place = "/projects/p/locations/europe-west1/publishers/anthropic/models";
    assert.equal(path, `${place}/claude-opus-4-8@20260101:streamRawPredict`);
    assert.equal(headers.authorization, "Bearer token");
    const body = JSON.parse(text);
    assert.deepEqual([body.model, body.anthropic_version, body.stream], [undefined, "2026-10-21", true]);
    assert.equal(address(provider), "https://europe-west1-aiplatform.googleapis.com/v1");
    assert.equal(address({ ...provider, region: "global" }), "https://aiplatform.googleapis.com/v1");
    for (const region of ["us", "eu"])
      assert.equal(address({ ...provider, region }), `https://aiplatform.${region}.rep.googleapis.com/v1`);
  });
});
