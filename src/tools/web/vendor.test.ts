import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { limits } from "../../limits.ts";
import { type ModelEvent, noUsage } from "../../models/model.ts";
import type { FoundPage } from "../../models/web-search.ts";
import { webSearch } from "./search.ts";
import { type AskModel, vendorSearch } from "./vendor.ts";

const usage = { ...noUsage, input_tokens: 7 };
const pages = (count: number): FoundPage[] =>
  Array.from({ length: count }, (_, i) => ({
    url: `https://a.example/${i}`,
    title: "",
    texts: [],
    age: null,
  }));
const end = { type: "finished" as const, content: [], usage };
const stop = { reason: "end_turn" } as const;

async function search(ask: AskModel, signal = new AbortController().signal) {
  const tool = webSearch(vendorSearch({ model: "small", askModel: ask }));
  const use = { config: {}, conversation: { user_texts: [], messages: [], shown_urls: [] }, signal };
  const result = await tool.run({ query: "otters" }, use);
  const [block] = result.content;
  return { ...result, text: block?.type === "text" ? block.text : "" };
}

const answering = (event: ModelEvent): AskModel =>
  async function* () {
    yield { type: "block_start", index: 0, block: "text" };
    yield { type: "text_delta", index: 0, text: "I found" };
    yield event;
  };

describe("the search of a model vendor", () => {
  test("shows so many pages at most", async () => {
    const searched = { pages: pages(limits.web_search_results_max + 5), requests: 1, error: null };
    const { content, web_searches, model_use } = await search(answering({ ...end, stop, searched }));
    assert.equal(content.length, limits.web_search_results_max);
    assert.equal(web_searches, 1);
    assert.deepEqual(model_use, { model: "small", usage });
  });

  test("counts what was found before an error", async () => {
    const searched = { pages: pages(1), requests: 1, error: "max_uses_exceeded" };
    const { is_error, content } = await search(answering({ ...end, stop, searched }));
    assert.deepEqual([is_error, content.length], [false, 1]);
  });

  test("says that the model refuses", async () => {
    const refusal = { reason: "refusal", category: null, explanation: null } as const;
    const searched = { pages: [], requests: 0, error: null };
    const { text, is_error } = await search(answering({ ...end, stop: refusal, searched }));
    assert.match(text, /^unavailable: small refuses/);
    assert.equal(is_error, true);
  });

  test("says that a model cannot search, where its provider knows nothing of it", async () => {
    assert.match((await search(answering({ ...end, stop }))).text, /^unavailable: small cannot search/);
  });

  test("charges what an interrupted one took", async () => {
    const interrupt = new AbortController();
    const searched = { pages: pages(1), requests: 1, error: null };
    const { text, is_error, web_searches, model_use } = await search(async function* (_, signal) {
      interrupt.abort();
      assert.equal(signal.aborted, true);
      yield { type: "aborted", usage, searched };
    }, interrupt.signal);
    assert.deepEqual([text, is_error, web_searches], ["The search was interrupted.", true, 1]);
    assert.deepEqual(model_use, { model: "small", usage });
  });

  test("that takes too long is given up, and what it took is charged", async () => {
    const ask: AskModel = async function* (_, signal) {
      if (!signal.aborted) await once(signal, "abort");
      yield { type: "aborted", usage };
    };
    const tool = webSearch({ ...vendorSearch({ model: "small", askModel: ask }), timeout_ms: 1 });
    const signal = new AbortController().signal;
    const use = { config: {}, conversation: { user_texts: [], messages: [], shown_urls: [] }, signal };
    const { content, model_use } = await tool.run({ query: "otters" }, use);
    assert.deepEqual(content, [{ type: "text", text: "unavailable: no answer within 0.001 s" }]);
    assert.deepEqual(model_use, { model: "small", usage });
  });

  test("asks for one short answer of the model that was configured, without tools of the server", async () => {
    await search(async function* (request) {
      assert.deepEqual([request.model, request.tools, request.messages.length], ["small", [], 1]);
      assert.equal(request.search?.tokens_max, limits.web_search_vendor_tokens_max);
      yield { ...end, stop };
    });
  });
});
