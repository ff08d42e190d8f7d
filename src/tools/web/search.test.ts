import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { limits } from "../../limits.ts";
import { brave } from "./brave.ts";
import { type WebSearchConfig, webSearch } from "./search.ts";
import type { SearchProvider } from "./search-provider.ts";
import { searxng } from "./searxng.ts";
import { type Answer, redirects, startSite, type TestSite } from "./testing.ts";

let site: TestSite;
const requests: { url: URL; headers: NodeJS.Dict<string | string[]> }[] = [];
let answer: { status: number; body: unknown } = { status: 200, body: {} };
const hanging = Promise.withResolvers<void>();

const engine: Answer = (request, response) => {
  requests.push({ url: new URL(request.url ?? "", "http://here"), headers: request.headers });
  if (answer.status === 0) return hanging.resolve();
  response.writeHead(answer.status, { "content-type": "application/json" });
  response.end(typeof answer.body === "string" ? answer.body : JSON.stringify(answer.body));
};

before(async () => {
  site = await startSite({
    "/search": engine,
    "/sub/search": engine,
    "/moved/search": redirects("/search"),
    "/res/v1/web/search": engine,
  });
});
after(() => site.close());

const never = new AbortController().signal;

async function search(provider: SearchProvider, config: WebSearchConfig = {}, signal = never) {
  const use = { config, conversation: { user_texts: [], messages: [], shown_urls: [] }, signal };
  const result = await webSearch(provider).run({ query: "otters" }, use);
  return { ...result, request: requests.at(-1) };
}

const page = (url: string, title = "A page", date?: string) => ({
  url,
  title,
  content: "Otters hold hands.",
  ...(date && { publishedDate: date, page_age: date }),
});

/** The same spec for every provider: how it is asked differs, what comes of it does not. */
const providers = [
  {
    name: "searxng",
    make: () => searxng({ url: site.url }),
    body: (pages: ReturnType<typeof page>[]) => ({ query: "otters", results: pages, suggestions: [] }),
  },
  {
    name: "brave",
    make: () => brave({ url: site.url, key: "brave-key" }),
    body: (pages: ReturnType<typeof page>[]) => ({
      type: "search",
      web: { results: pages.map((found) => found && { ...found, description: found.content }) },
    }),
  },
];

for (const { name, make, body } of providers) {
  describe(`web_search with ${name}`, () => {
    test("answers with search_result blocks, and counts", async () => {
      answer = {
        status: 200,
        body: body([page("https://a.example/otters"), page("https://b.example/", "", "2026-01-02")]),
      };
      const result = await search(make());
      assert.equal(result.is_error, false);
      assert.equal(result.web_searches, 1);
      assert.equal(result.request?.url.searchParams.get("q"), "otters");
      assert.deepEqual(result.content, [
        {
          type: "search_result",
          source: "https://a.example/otters",
          title: "A page",
          content: [{ type: "text", text: "Otters hold hands." }],
          citations: { enabled: false },
        },
        {
          type: "search_result",
          source: "https://b.example/",
          title: "https://b.example/",
          content: [
            { type: "text", text: "Date: 2026-01-02" },
            { type: "text", text: "Otters hold hands." },
          ],
          citations: { enabled: false },
        },
      ]);
    });

    test("shows nothing that the domain rules leave out, whatever comes back", async () => {
      const pages = ["https://a.example/blog/1", "https://a.example/shop", "https://b.example/", "nonsense"];
      answer = { status: 200, body: body(pages.map((url) => page(url))) };
      const sourcesOf = async (config: WebSearchConfig) =>
        (await search(make(), config)).content.map((block) => "source" in block && block.source);
      assert.deepEqual(await sourcesOf({ allowed_domains: ["a.example/blog"] }), [
        "https://a.example/blog/1",
      ]);
      assert.equal(requests.at(-1)?.url.searchParams.get("q"), "otters site:a.example/blog");
      assert.deepEqual(await sourcesOf({ allowed_domains: ["c.example", "b.example"] }), [
        "https://b.example/",
      ]);
      assert.equal(requests.at(-1)?.url.searchParams.get("q"), "otters (site:c.example OR site:b.example)");
      assert.deepEqual(await sourcesOf({ blocked_domains: ["a.example"] }), ["https://b.example/"]);
      assert.equal(requests.at(-1)?.url.searchParams.get("q"), "otters -site:a.example");
      const many = Array.from({ length: 60 }, (_, i) => `blocked-${i}.example`);
      assert.equal((await sourcesOf({ blocked_domains: many })).length, 3);
      assert.equal(requests.at(-1)?.url.searchParams.get("q"), "otters");
    });

    test("shows no more than so many, and says when there is none", async () => {
      answer = {
        status: 200,
        body: body(Array.from({ length: 40 }, (_, i) => page(`https://a.example/${i}`))),
      };
      assert.equal((await search(make())).content.length, limits.web_search_results_max);
      answer = { status: 200, body: body([]) };
      assert.deepEqual((await search(make())).content, [{ type: "text", text: "No results." }]);
    });

    test("shows no more than so much of each, and leaves out what is no result", async () => {
      const long = { ...page("https://a.example/", "t".repeat(9_000)), content: "😀".repeat(50_000) };
      const wrong = [
        null,
        5,
        page("ftp://a.example/"),
        page("javascript:alert(1)"),
        { ...page(""), url: null },
        { ...page("https://b.example/"), title: 5 },
      ];
      const endless = page(`https://a.example/${"x".repeat(limits.web_url_chars_max)}`);
      answer = { status: 200, body: body([...wrong, endless, long] as ReturnType<typeof page>[]) };
      const [block, ...others] = (await search(make())).content;
      assert.deepEqual(others, []);
      assert.ok(block?.type === "search_result");
      assert.equal(block.title.length, limits.web_search_title_chars_max);
      assert.deepEqual(block.content, [
        { type: "text", text: "😀".repeat(limits.web_search_result_chars_max / 2) },
      ]);
    });

    test("says what is wrong with the provider, and does not count it", async () => {
      for (const [wrong, says] of [
        [{ status: 500, body: "" }, /answers 500/],
        [{ status: 429, body: "" }, name === "brave" ? /limit is reached/ : /answers 429/],
        [{ status: 200, body: "<html>" }, /in a form that is not known/],
        [{ status: 200, body: { results: 1, web: 1 } }, /in a form that is not known/],
        [{ status: 200, body: JSON.stringify("x".repeat(5 << 20)) }, /more than any search should/],
        [{ status: 403, body: "" }, name === "brave" ? /DROVER_SEARCH_KEY/ : /search\.formats/],
      ] as const) {
        answer = wrong;
        const result = await search(make());
        const [block] = result.content;
        assert.match(block?.type === "text" ? block.text : "", says);
        assert.equal(result.is_error, true);
        assert.equal(result.web_searches, 0);
      }
    });
  });
}

test("a provider that is elsewhere now is not followed, for it may be given a key", async () => {
  const before = requests.length;
  const { content, is_error } = await search(searxng({ url: `${site.url}/moved` }));
  assert.match(JSON.stringify(content), /unavailable: .*cannot be reached/);
  assert.equal(is_error, true);
  assert.equal(requests.length, before);
});

test("SearXNG hears of the user's place as a language, below whatever path it is at", async () => {
  answer = { status: 200, body: { results: [] } };
  const result = await search(searxng({ url: `${site.url}/sub` }), { user_location: { country: "DE" } });
  assert.equal(result.request?.url.pathname, "/sub/search");
  assert.equal(result.request?.url.searchParams.get("format"), "json");
  assert.equal(result.request?.url.searchParams.get("language"), "de-DE");
});

test("Brave hears of the user's place in headers, and gets its key there", async () => {
  answer = { status: 200, body: {} };
  const { request } = await search(brave({ url: site.url, key: "brave-key" }), {
    user_location: { country: "DE", city: "München", region: "北京", timezone: "Europe/Berlin" },
  });
  assert.equal(request?.url.searchParams.get("country"), "DE");
  assert.equal(request?.headers["x-subscription-token"], "brave-key");
  assert.equal(request?.headers["x-loc-timezone"], "Europe/Berlin");
  assert.equal(Buffer.from(String(request?.headers["x-loc-city"]), "latin1").toString("latin1"), "München");
  assert.equal(request?.headers["x-loc-state-name"], undefined);
  assert.doesNotMatch(request?.url.href ?? "", /brave-key/);
});

test("a search that nobody answers ends with the interrupt", async () => {
  answer = { status: 0, body: "" };
  const interrupt = new AbortController();
  const searching = search(searxng({ url: site.url }), {}, interrupt.signal);
  await hanging.promise;
  interrupt.abort();
  const { content, is_error } = await searching;
  assert.deepEqual(content, [{ type: "text", text: "The search was interrupted." }]);
  assert.equal(is_error, true);
});
