import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import type Anthropic from "@anthropic-ai/sdk";
import { modelsConfig } from "../src/config/models.ts";
import { modelListing } from "../src/models/listing.ts";
import { type FakeUpstream, startFakeUpstream } from "./fakes/upstream.ts";
import { jsonReply } from "./fakes/wire.ts";
import { startTestServer } from "./harness/server.ts";

const lists: Record<string, object> = {
  anthropic: {
    data: [
      {
        type: "model",
        id: "claude-opus-5-5",
        display_name: "Claude Opus 5.5",
        created_at: "2026-09-01T00:00:00Z",
        lifecycle: "active",
        line: "opus",
        max_tokens: 128_000,
        capabilities: { batch: { supported: true } },
      },
      { type: "model", id: "claude-opus-3", created_at: "2024-03-01T00:00:00Z", lifecycle: "retired" },
    ],
  },
  openai: {
    object: "list",
    data: [{ id: "gpt-5.2", object: "model", created: 1_765_000_000 }, { odd: true }, 7],
  },
  google: {
    models: [
      {
        name: "models/gemini-3-pro",
        displayName: "Gemini 3 Pro",
        inputTokenLimit: 1_000_000,
        outputTokenLimit: 64_000,
        supportedGenerationMethods: ["generateContent"],
      },
      { name: "models/embedding-1", supportedGenerationMethods: ["embedContent"] },
    ],
  },
};

const fakes: FakeUpstream<unknown>[] = [];
const startFake = async (name: string) => {
  const fake = await startFakeUpstream(() => jsonReply(200, lists[name] ?? {}));
  fakes.push(fake);
  return { type: name as "openai", base_url: fake.url, api_key: "k" };
};
const gone = await startFakeUpstream();
await gone.close();
const api = await startTestServer({
  models: {
    providers: {
      anthropic: { ...(await startFake("anthropic")) },
      openai: await startFake("openai"),
      google: await startFake("google"),
      mistral: { type: "mistral", base_url: gone.url, api_key: "k" },
      cloud: { type: "bedrock", region: "eu-west-1", api_key: "k" },
      keyless: { type: "openai", base_url: gone.url },
    },
    aliases: {
      default: "claude-opus-5-5",
      "claude-opus-4-7": "cloud/anthropic.claude-opus-4-7",
      nothing: "keyless/x",
    },
  },
});
const { client } = api;
after(async () => {
  await api.close();
  for (const fake of fakes) await fake.close();
});

const idsOf = async (list: AsyncIterable<Anthropic.ModelInfo>) => {
  const ids: string[] = [];
  for await (const { id } of list) ids.push(id);
  return ids;
};
const all = [
  "default",
  "claude-opus-4-7",
  "claude-opus-5-5",
  "openai/gpt-5.2",
  "google/gemini-3-pro",
  "simulated",
  "simulated/typing",
];

describe("the models", () => {
  test("are listed as they can be asked for: aliases, then the newest first", async () => {
    assert.deepEqual(await idsOf(client.models.list()), all);
  });

  test("come in pages of any size", async () => {
    for (const limit of [1, 2, 3, 7, 8]) assert.deepEqual(await idsOf(client.models.list({ limit })), all);
    for (const [limit, has_more] of [
      [6, true],
      [7, false],
    ] as const)
      assert.equal((await client.models.list({ limit })).has_more, has_more);
    const last = await client.models.list({ limit: 2, before_id: "google/gemini-3-pro" });
    assert.deepEqual(
      [last.data.map(({ id }) => id), last.first_id, last.last_id, last.has_more],
      [["claude-opus-5-5", "openai/gpt-5.2"], "claude-opus-5-5", "openai/gpt-5.2", true],
    );
    assert.equal((await client.models.list({ limit: 2, before_id: "claude-opus-5-5" })).has_more, false);
  });

  test("are asked for once, not for each request", async () => {
    await client.models.list();
    await client.models.list();
    assert.equal(fakes[0]?.requests.length, 1);
  });

  test("that are retired are listed on demand", async () => {
    assert.deepEqual(await idsOf(client.models.list({ lifecycle: ["retired"] })), ["claude-opus-3"]);
  });

  test("say what their provider says of them", async () => {
    const claude = await client.models.retrieve("claude-opus-5-5");
    assert.deepEqual([claude.type, claude.display_name, claude.line], ["model", "Claude Opus 5.5", "opus"]);
    assert.deepEqual(
      [claude.max_tokens, claude.max_input_tokens, claude.deprecated_at],
      [128_000, null, null],
    );
    assert.deepEqual(claude.capabilities, { batch: { supported: true } });
    const gemini = await client.models.retrieve("google/gemini-3-pro");
    assert.deepEqual(
      [gemini.display_name, gemini.max_input_tokens, gemini.max_tokens, gemini.created_at],
      ["Gemini 3 Pro", 1_000_000, 64_000, "1970-01-01T00:00:00.000Z"],
    );
    assert.equal((await client.models.retrieve("openai/gpt-5.2")).created_at, "2025-12-06T05:46:40.000Z");
  });

  test("an alias is resolved to what it stands for", async () => {
    assert.equal((await client.models.retrieve("default")).id, "claude-opus-5-5");
    assert.equal((await client.models.retrieve("claude-opus-4-7")).id, "cloud/anthropic.claude-opus-4-7");
  });

  test("of a provider without a list, or whose list cannot be had, are taken at their word", async () => {
    for (const id of ["cloud/any", "mistral/any"]) assert.equal((await client.models.retrieve(id)).id, id);
  });

  for (const id of ["claude-none", "openai/none", "keyless/x", "nobody/x", "x"]) {
    test(`${id} is not there`, async () => {
      await assert.rejects(client.models.retrieve(id), { status: 404 });
    });
  }

  for (const [query, says] of [
    ["limit=0", /limit/],
    ["limit=1001", /limit/],
    ["after_id=none", /after_id/],
    ["before_id=none", /before_id/],
    ["after_id=simulated&before_id=simulated", /together/],
    ["lifecycle[]=old", /lifecycle/],
    ["page=x", /page/],
  ] as const) {
    test(`?${query} is refused`, async () => {
      const response = await fetch(`${api.url}/v1/models?${query}`, {
        headers: { "x-api-key": client.apiKey ?? "" },
      });
      assert.equal(response.status, 400);
      assert.match(await response.text(), says);
    });
  }
});

test("lists are asked for again when they are a minute old", async () => {
  const fake = await startFakeUpstream(() => jsonReply(200, { data: [{ id: "x" }] }));
  const { config } = modelsConfig(
    {},
    { providers: { local: { type: "openai-compatible", base_url: fake.url } } },
  );
  let now = 0;
  const listing = modelListing(config, () => {}, { now: () => now });
  for (const [at, asked] of [
    [0, 1],
    [60_000, 1],
    [60_001, 2],
  ] as const) {
    now = at;
    await listing.all();
    assert.equal(fake.requests.length, asked);
  }
  await fake.close();
});
