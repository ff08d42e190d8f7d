import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { redirectTo, type SearchVendor, searchWires, type WireSearched } from "../../test/fakes/search.ts";
import { type FakeUpstream, startFakeUpstream } from "../../test/fakes/upstream.ts";
import { modelsConfig } from "../config/models.ts";
import { answerOf, requestOf, userSays } from "./model.spec.ts";
import type { Model, ModelEvent, ModelRequest } from "./model.ts";
import { createModels } from "./registry.ts";
import type { WebSearch } from "./web-search.ts";

let upstream: FakeUpstream<Record<string, unknown>>;
before(async () => {
  upstream = await startFakeUpstream();
});
after(() => upstream.close());

const modelIds = { anthropic: "claude-haiku-5-5", openai: "gpt-5.4-mini", google: "gemini-3.5-flash-lite" };
const vendors = Object.keys(searchWires) as SearchVendor[];

const otters: WireSearched = {
  pages: [
    { url: "https://a.example/unread", title: "Unread" },
    { url: "https://a.example/otters", title: "Otters", age: "2 days ago" },
    { url: "https://b.example/rafts", title: "Rafts" },
  ],
  says: [
    { text: "Otters hold hands: é👋.", cites: [{ page: 1, passage: "they hold hands" }] },
    {
      text: "A group is a raft.",
      cites: [
        { page: 1, passage: "a group of them" },
        { page: 2, passage: "is called a raft" },
      ],
    },
    { text: "A group is a raft.", cites: [{ page: 2, passage: "is called a raft" }] },
  ],
};

function modelOf(vendor: SearchVendor): Model {
  const { config } = modelsConfig(
    {},
    { providers: { [vendor]: { type: vendor, base_url: upstream.url, api_key: "k" } } },
  );
  const found = createModels(config).find(`${vendor}/${modelIds[vendor]}`);
  return "model" in found ? found.model : assert.fail();
}

const requestFor = (change: Partial<WebSearch>): ModelRequest => ({
  ...requestOf("ignored", [userSays('{"query":"otters"}')]),
  effort: "low",
  search: { location: null, tokens_max: 500, ...change },
});

async function search(vendor: SearchVendor, change: Partial<WebSearch> = {}, signal?: AbortSignal) {
  const answer = await answerOf(modelOf(vendor), requestFor(change), signal);
  return { ending: answer.ending as Extract<ModelEvent, { usage: object }>, sent: upstream.requests.at(-1) };
}

const reply = (vendor: SearchVendor, answer: WireSearched) =>
  upstream.reply({ chunks: [searchWires[vendor](answer)] });

for (const vendor of vendors) {
  describe(`a search of the web by ${vendor}`, () => {
    test("gives the pages, the cited ones first, with what is said of each", async () => {
      reply(vendor, otters);
      const { ending } = await search(vendor);
      assert.equal(ending.type, "finished");
      assert.equal(ending.usage.input_tokens, 2_000);
      assert.equal(ending.usage.output_tokens, 100);
      const { pages = [], requests, error } = ending.searched ?? {};
      assert.deepEqual([requests, error], [1, null]);
      const urls = ["https://a.example/otters", "https://b.example/rafts", "https://a.example/unread"];
      const redirects = [1, 2, 0].map(redirectTo);
      assert.deepEqual(
        pages.map(({ url }) => url),
        vendor === "google" ? redirects : urls,
      );
      const said = pages.map(({ texts }) => texts);
      const raft = "A group is a raft.";
      assert.deepEqual(
        said,
        vendor === "anthropic"
          ? [
              ["they hold hands", "Otters hold hands: é👋.", "a group of them", raft],
              ["is called a raft", raft],
              [],
            ]
          : [["Otters hold hands: é👋.", raft], [raft], []],
      );
    });

    test("is the same however the stream is cut into chunks", async () => {
      reply(vendor, otters);
      const whole = await search(vendor);
      const bytes = Buffer.from(searchWires[vendor](otters));
      const chunks = Array.from({ length: Math.ceil(bytes.length / 7) }, (_, i) =>
        bytes.subarray(i * 7, i * 7 + 7),
      );
      upstream.reply({ chunks });
      assert.deepEqual((await search(vendor)).ending, whole.ending);
    });

    test("may find nothing", async () => {
      reply(vendor, {});
      assert.deepEqual((await search(vendor)).ending.searched, { pages: [], requests: 1, error: null });
    });

    test("that breaks off keeps what it cost", async () => {
      const text = searchWires[vendor](otters);
      const until = text.lastIndexOf("data:");
      upstream.reply({ chunks: [text.slice(0, until)], end: "cut" });
      const { ending } = await search(vendor);
      assert.equal(ending.type, "failed");
      // Google tells all of it at the end.
      if (vendor !== "google") assert.equal(ending.searched?.requests, 1);
    });

    test("ends with an abort", async () => {
      const abort = new AbortController();
      const asked = upstream.request(upstream.requests.length);
      upstream.reply({ chunks: [searchWires[vendor](otters).slice(0, 40)], end: "hang" });
      const searching = search(vendor, {}, abort.signal);
      const { ended } = await asked;
      abort.abort();
      assert.equal((await searching).ending.type, "aborted");
      assert.equal(await ended, "closed");
    });

    test("asks for no more than one answer of the size that is wanted", async () => {
      reply(vendor, {});
      const { sent } = await search(vendor);
      assert.match(sent?.text ?? "", /"(max_tokens|max_output_tokens|maxOutputTokens)":500\b/);
    });
  });
}

const rules = { allowed_domains: ["a.example", "b.example/blog", "b.example"] };
const location = { type: "approximate", city: "Kiel", country: "DE", region: null, timezone: null };

test("Anthropic is made to search, once and without thinking, by the rules", async () => {
  reply("anthropic", {});
  const { sent } = await search("anthropic", { ...rules, location });
  assert.deepEqual(sent?.body.tools, [
    { type: "web_search_20250305", name: "web_search", max_uses: 1, ...rules, user_location: location },
  ]);
  assert.deepEqual(sent?.body.tool_choice, { type: "tool", name: "web_search" });
  assert.deepEqual(sent?.body.thinking, { type: "disabled" });
  reply("anthropic", {});
  const blocked = await search("anthropic", { blocked_domains: ["c.example"] });
  assert.deepEqual(blocked.sent?.body.tools, [
    { type: "web_search_20250305", name: "web_search", max_uses: 1, blocked_domains: ["c.example"] },
  ]);
});

test("OpenAI is made to search, once, by the domains of the rules", async () => {
  reply("openai", {});
  const { sent } = await search("openai", { ...rules, location });
  const place = { type: "approximate", city: "Kiel", country: "DE" };
  const filters = { allowed_domains: ["a.example", "b.example"] };
  assert.deepEqual(sent?.body.tools, [{ type: "web_search", filters, user_location: place }]);
  assert.deepEqual(sent?.body.tool_choice, { type: "web_search" });
  assert.equal(sent?.body.max_tool_calls, 1);
  assert.equal(sent?.body.store, false);
  assert.deepEqual(sent?.body.include, ["web_search_call.action.sources", "reasoning.encrypted_content"]);
  reply("openai", {});
  const blocked = await search("openai", { blocked_domains: ["c.example", "d.example/shop"] });
  assert.deepEqual(blocked.sent?.body.tools, [
    { type: "web_search", filters: { blocked_domains: ["c.example"] } },
  ]);
});

test("Google grounds its answer, and says of a page no more than its host", async () => {
  reply("google", { ...otters, queries: ["otters", "otter rafts"] });
  const { sent, ending } = await search("google", rules);
  assert.deepEqual(sent?.body.tools, [{ googleSearch: {} }]);
  assert.equal(ending.searched?.requests, 2);
  assert.deepEqual(
    ending.searched?.pages.map(({ site, title }) => [site, title]),
    [
      ["a.example", "a.example"],
      ["b.example", "b.example"],
      ["a.example", "a.example"],
    ],
  );
});

test("a page that Google does name is known by its address", async () => {
  const wire = searchWires.google(otters).replaceAll(redirectTo(1), "https://a.example/otters");
  upstream.reply({ chunks: [wire] });
  const { ending } = await search("google");
  const [first] = ending.searched?.pages ?? [];
  assert.deepEqual([first?.url, first?.site], ["https://a.example/otters", undefined]);
});

test("given up in the middle it keeps what it cost", async () => {
  const whole = searchWires.anthropic(otters);
  upstream.reply({ chunks: [whole.slice(0, whole.indexOf("event: message_delta"))], end: "hang" });
  const abort = new AbortController();
  for await (const event of modelOf("anthropic").stream(requestFor({}), abort.signal)) {
    if (event.type === "text_delta") abort.abort();
    if (!("usage" in event)) continue;
    assert.equal(event.type, "aborted");
    assert.deepEqual([event.usage.input_tokens, event.searched?.requests], [2_000, 1]);
  }
});

test("a page that was cited and not found is left out", async () => {
  reply("anthropic", {
    pages: [{ url: "https://a.example/", title: "A" }],
    says: [{ text: "Trust me.", cites: [{ page: 7, passage: "made up" }] }],
  });
  const { ending } = await search("anthropic");
  assert.deepEqual(ending.searched?.pages, [{ url: "https://a.example/", title: "A", texts: [], age: null }]);
});

test("a search that failed is told of in the vendor's word", async () => {
  for (const error of ["max_uses_exceeded", "too_many_requests", "query_too_long", "unavailable"]) {
    reply("anthropic", { error });
    assert.deepEqual((await search("anthropic")).ending.searched, { pages: [], requests: 0, error });
  }
  reply("openai", { error: "failed" });
  assert.deepEqual((await search("openai")).ending.searched, { pages: [], requests: 0, error: "failed" });
});

test("with OpenAI a page that is opened is no search", async () => {
  const wire = searchWires.openai({
    pages: [{ url: "https://a.example/x", title: "X" }],
    queries: ["a", "b"],
  });
  upstream.reply({ chunks: [wire.replaceAll(/"type":"search","query":"b"/g, '"type":"open_page"')] });
  const { ending } = await search("openai");
  assert.equal(ending.searched?.requests, 1);
  assert.deepEqual(
    ending.searched?.pages.map(({ url }) => url),
    ["https://a.example/x"],
  );
});
