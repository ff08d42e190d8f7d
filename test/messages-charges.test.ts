import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import type { ModelsFile } from "../src/config/models.ts";
import { answerEvents, errorReply, sse, startFakeAnthropic } from "./fakes/anthropic.ts";
import { type FakeReply, startFakeUpstream } from "./fakes/upstream.ts";
import { startTestServer } from "./harness/server.ts";

/** In dollars per million tokens, which is thousands of billionths per token. */
const rates = { input: 1, output: 2, cache_write_5m: 3, cache_write_1h: 5, cache_read: 7 };
const claude = await startFakeAnthropic();
const local = await startFakeUpstream();
const api = await startTestServer({
  models: {
    providers: {
      anthropic: { type: "anthropic", base_url: claude.url, api_key: "key" },
      local: { type: "openai-compatible", base_url: local.url, api_key: "key" },
    },
    aliases: { best: "claude-best" },
    fallbacks: { "claude-best": ["claude-second"], "local/x": ["simulated"] },
  } as ModelsFile,
  prices: {
    as_of: "2026-11-01",
    models: {
      "claude-best": { ...rates, fast_factor: 6 },
      "claude-second": { ...rates, input: 100 },
      simulated: { ...rates, input: 1_000 },
      "local/x": { ...rates, input: 10 },
    },
  },
});
const { client } = api;
after(async () => {
  await api.close();
  await claude.close();
  await local.close();
});

const once = { maxRetries: 0 };
const ask = (model: string, content = "hi") => ({
  model,
  max_tokens: 10,
  messages: [{ role: "user" as const, content }],
});

const spent = async (): Promise<number> => {
  const statement = { name: "test_spent", text: "select coalesce(sum(nano), 0) as nano from spend" };
  const [row] = await api.db.query<{ nano: string }>(statement, []);
  return Number(row?.nano);
};

let expected = 0;
/** In thousands of billionths. What is charged twice is seen by the next one. */
async function charged(thousands: number): Promise<void> {
  expected += thousands * 1_000;
  for (let tries = 0; (await spent()) < expected && tries < 500; tries += 1)
    await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(await spent(), expected);
}

const usage = {
  input_tokens: 10,
  output_tokens: 1,
  cache_read_input_tokens: 100,
  cache_creation_input_tokens: 50,
  cache_creation: { ephemeral_5m_input_tokens: 20, ephemeral_1h_input_tokens: 30 },
  server_tool_use: { web_search_requests: 0, web_fetch_requests: 0 },
};
/** Input, reads of the cache, and the two kinds of writes. */
const prompt_cost = 10 + 700 + 60 + 150;
const search_cost = 10_000;

const whole: FakeReply = {
  headers: { "content-type": "application/json" },
  chunks: [JSON.stringify({ id: "msg_1", type: "message", role: "assistant", content: [], usage })],
};
const events = (last: object) =>
  answerEvents({ blocks: [{ type: "text", text: ["It is"] }], usage: [usage, { ...last }] });
const last = {
  input_tokens: 10,
  output_tokens: 40,
  cache_read_input_tokens: 100,
  cache_creation_input_tokens: 50,
  server_tool_use: { web_search_requests: 2 },
};

describe("a message of Claude costs once what it says it took", () => {
  test("whole, by an alias", async () => {
    claude.reply(whole);
    await client.messages.create(ask("best"));
    await charged(prompt_cost + 2);
  });

  test("at fast speed", async () => {
    claude.reply(whole);
    await client.messages.create({ ...ask("claude-best"), speed: "fast" });
    await charged(6 * (prompt_cost + 2));
  });

  test("streamed: what comes last counts, with the parts that came first", async () => {
    claude.reply({ chunks: [sse(events(last))] });
    await client.messages.stream(ask("claude-best")).finalMessage();
    await charged(prompt_cost + 80 + 2 * search_cost);
  });

  test("streamed, where some of it is null or of a new kind", async () => {
    const server_tool_use = { of_the_future: 3 };
    const nothing = { input_tokens: null, cache_creation_input_tokens: null, output_tokens: 3 };
    claude.reply({ chunks: [sse(events({ ...nothing, server_tool_use }))] });
    await client.messages.stream(ask("claude-best")).finalMessage();
    await charged(prompt_cost + 6);
  });

  test("that breaks off", async () => {
    claude.reply({ chunks: [sse(events(last).slice(0, 4))], end: "cut" });
    await assert.rejects(client.messages.stream(ask("claude-best"), once).finalMessage());
    await charged(prompt_cost + 2);
  });

  test("whose client leaves", async () => {
    claude.reply({ chunks: [sse(events(last).slice(0, 4))], end: "hang" });
    const stream = client.messages.stream(ask("claude-best"), once);
    stream.on("text", () => stream.abort());
    await assert.rejects(stream.finalMessage());
    await charged(prompt_cost + 2);
  });

  test("that another one writes: at the price of that one", async () => {
    claude.reply(errorReply(529, "overloaded_error", "x"), whole);
    await client.messages.create(ask("best"), once);
    await charged(prompt_cost + 990 + 2);
  });

  test("that nobody writes: nothing", async () => {
    claude.reply(errorReply(529, "overloaded_error", "x"), errorReply(529, "overloaded_error", "x"));
    await assert.rejects(client.messages.create(ask("best"), once));
    await charged(0);
  });
});

describe("a message of another model costs once what it took", () => {
  const told = "usage in=3 out=4 cache_read=5 cache_5m=6 cache_1h=7";
  const cost = 3_000 + 8 + 35 + 18 + 35;

  test("whole and streamed", async () => {
    await client.messages.create(ask("simulated", told));
    await charged(cost);
    await client.messages.stream(ask("simulated", told)).finalMessage();
    await charged(cost);
  });

  test("that breaks off", async () => {
    await assert.rejects(
      client.messages.stream(ask("simulated", `${told}\nsay hi\ncut`), once).finalMessage(),
    );
    await charged(cost);
    await assert.rejects(client.messages.create(ask("simulated", `${told}\nsay hi\ncut`), once));
    await charged(cost);
  });

  test("whose client leaves", async () => {
    const stream = client.messages.stream(ask("simulated", `${told}\nsay hi\nhang`), once);
    stream.on("text", () => stream.abort());
    await assert.rejects(stream.finalMessage());
    await charged(cost);
  });

  test("that steps in for one of another provider", async () => {
    local.reply({ status: 503, headers: { "content-type": "application/json" }, chunks: ["{}"] });
    await client.messages.create(ask("local/x", told), once);
    await charged(cost);
  });
});

describe("a server that stops", () => {
  const several = 40;
  let errors: unknown[] = [];
  before(async () => {
    const beside = await startTestServer({
      beside: api,
      prices: { as_of: "2026-11-01", models: { simulated: rates } },
    });
    const body = ask("simulated", "usage in=3 out=0\nsay so far\nhang");
    const streams = Array.from({ length: several }, () => beside.client.messages.stream(body, once));
    const begun = streams.map((stream) => new Promise((resolve) => stream.on("text", resolve)));
    const ended = streams.map((stream) => stream.finalMessage().catch((reason: unknown) => reason));
    await Promise.all(begun);
    // More than the connections of a server wait to be written when it would close them.
    const closed = await api.db.transaction(async (db) => {
      await db.query({ name: "test_hold", text: "update spend set nano = nano" }, []);
      const closing = beside.close();
      errors = await Promise.all(ended);
      await new Promise((resolve) => setTimeout(resolve, 300));
      return { closing };
    });
    await closed.closing;
  });

  test("says so to whom it still answers", () => {
    for (const error of errors) {
      assert.ok(error instanceof Anthropic.APIError);
      assert.equal(error.type, "overloaded_error");
      assert.match(error.message, /the server stops/);
    }
  });

  test("writes down what that took", async () => {
    expected += several * 3_000;
    assert.equal(await spent(), expected);
  });
});
