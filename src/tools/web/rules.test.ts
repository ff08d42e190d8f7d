import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { limits } from "../../limits.ts";
import type { ModelMessage } from "../../models/model.ts";
import type { UrlSources } from "../../protocol/tools.ts";
import { type DomainRules, mayVisit } from "./domains.ts";
import { type Conversation, isFromSources, rememberedUrls, urlsIn } from "./sources.ts";

describe("domain rules", () => {
  const cases: [rules: DomainRules, url: string, may: boolean][] = [
    [{}, "https://anything.example/", true],
    [{ allowed_domains: ["Example.com"] }, "https://example.com/x", true],
    [{ allowed_domains: ["example.com"] }, "https://docs.EXAMPLE.com./x", true],
    [{ allowed_domains: ["example.com/"] }, "https://example.com/x", true],
    [{ allowed_domains: ["example.com"] }, "https://notexample.com/", false],
    [{ allowed_domains: ["example.com"] }, "https://example.com.evil.org/", false],
    [{ allowed_domains: ["docs.example.com"] }, "https://example.com/", false],
    [{ allowed_domains: ["xn--bcher-kva.example"] }, "https://bücher.example/", true],
    [{ allowed_domains: ["example.com/blog"] }, "https://example.com/blog/1", true],
    [{ allowed_domains: ["example.com/blog/"] }, "https://www.example.com/blog", true],
    [{ allowed_domains: ["example.com/blog"] }, "https://example.com/blogs", false],
    [{ allowed_domains: ["example.com/blog"] }, "https://example.com/", false],
    [{ blocked_domains: ["example.com"] }, "https://sub.example.com/", false],
    [{ blocked_domains: ["example.com"] }, "https://example.com../", false],
    [{ blocked_domains: ["example.com/private"] }, "https://example.com/private/x", false],
    [{ blocked_domains: ["example.com/private"] }, "https://example.com/public", true],
  ];
  for (const [rules, url, may] of cases) {
    test(`${JSON.stringify(rules)} ${may ? "let" : "keep"} ${url}`, () => {
      assert.equal(mayVisit(rules, new URL(url)), may);
    });
  }
});

test("URLs are found in whatever stands around them", () => {
  const cases: [text: string, url: string][] = [
    ["See https://a.example/x.", "https://a.example/x"],
    ["(https://a.example/x), then", "https://a.example/x"],
    ["[text](https://a.example/x) and", "https://a.example/x"],
    ["[t](https://a.example/A_(b))", "https://a.example/A_(b)"],
    ["<https://a.example/x>", "https://a.example/x"],
    ['{"url":"https://a.example/x?q=1&r=2"}', "https://a.example/x?q=1&r=2"],
    ["**https://a.example/x**", "https://a.example/x"],
    ["HTTPS://A.Example/x#part", "https://a.example/x"],
    ["https://a.example", "https://a.example/"],
    ["https://a.example/übung?", "https://a.example/%C3%BCbung"],
  ];
  for (const [text, url] of cases) assert.ok(urlsIn(text).has(url), text);
  assert.deepEqual([...urlsIn("example.com and ftp://a.example/ and http://")], []);
  assert.equal(urlsIn(`https://a.example/${"x".repeat(5_000)}`).size, 0);
  assert.ok(!urlsIn("https://a.example/x/y").has("https://a.example/x"));
});

describe("url_sources", () => {
  const call = (name: string, text: string, is_error = false): ModelMessage[] => [
    { role: "assistant", content: [{ type: "tool_use", id: `toolu_${name}`, name, input: {} }] },
    {
      role: "user",
      content: [
        { type: "tool_result", tool_use_id: `toolu_${name}`, is_error, content: [{ type: "text", text }] },
      ],
    },
  ];
  const of = (...names: string[]) => names.map((name) => ({ type: "tool_reference" as const, name }));
  const everything: UrlSources = { user_input: null, client_tool_results: null, server_tool_results: null };
  const nothing: UrlSources = {
    user_input: { type: "none" },
    client_tool_results: { type: "none" },
    server_tool_results: { type: "none" },
  };
  const page = "https://a.example/page";
  const from = (messages: ModelMessage[], user_texts: string[] = []): Conversation => ({
    user_texts,
    messages,
    shown_urls: [],
  });
  const allowed = (sources: UrlSources, conversation: Conversation) =>
    isFromSources(new URL(`${page}#top`), sources, conversation);

  test("that are all open take what the user, a client's tool, or a web tool has shown", () => {
    assert.ok(allowed(everything, from([], [`read ${page}`])));
    for (const name of ["lookup", "web_search", "web_fetch"]) {
      assert.ok(allowed(everything, from(call(name, page))), name);
    }
  });

  test("know a host by all its spellings", () => {
    for (const [text, wanted] of [
      ["HTTPS://WWW.A.Example/x", "https://www.a.example/x"],
      ["https://bücher.example/x", "https://xn--bcher-kva.example/x"],
      ["https://xn--bcher-kva.example/x", "https://bücher.example/x"],
      ["http://0x7f.1/x", "http://127.0.0.1/x"],
      ["http://[0:0::1]/x", "http://[::1]/x"],
      ["http://a.example./x", "http://a.example./x"],
    ] as const) {
      const told = from([], [`see ${text} now`]);
      assert.ok(isFromSources(new URL(wanted), everything, told), text);
      assert.ok(!isFromSources(new URL("https://b.example/x"), everything, told));
    }
  });

  test("take nothing from the agent, from the sandbox, or from a refusal that quotes it", () => {
    assert.ok(!allowed(everything, from([{ role: "assistant", content: [{ type: "text", text: page }] }])));
    assert.ok(!allowed(everything, from(call("bash", page))));
    assert.ok(!allowed(everything, from(call("web_fetch", `url_not_allowed: ${page}`, true))));
    assert.ok(!allowed(everything, from(call("lookup", `${page}/below`))));
  });

  test("that name tools take the results of those alone, or of all but those", () => {
    const only: UrlSources = { ...nothing, client_tool_results: { type: "only", tools: of("lookup") } };
    assert.ok(allowed(only, from(call("lookup", page))));
    assert.ok(!allowed(only, from(call("other", page))));
    assert.ok(!allowed(only, from(call("web_search", page), [page])));
    const except: UrlSources = {
      ...nothing,
      server_tool_results: { type: "except", tools: of("web_fetch") },
    };
    assert.ok(allowed(except, from(call("web_search", page))));
    assert.ok(!allowed(except, from(call("web_fetch", page))));
    assert.ok(!allowed(except, from(call("lookup", page))));
  });

  test("see the texts of documents", () => {
    const [use] = call("lookup", "");
    assert.ok(use);
    const source = { type: "text" as const, media_type: "text/plain" as const, data: `See ${page}.` };
    const content = [{ type: "document" as const, source, title: null, context: null }];
    const found: ModelMessage = {
      role: "user",
      content: [{ type: "tool_result", tool_use_id: "toolu_lookup", is_error: false, content }],
    };
    assert.ok(allowed(everything, from([use, found])));
  });

  test("see the addresses of search results", () => {
    const [use, result] = call("web_search", "");
    assert.ok(use && result?.role === "user");
    const found: ModelMessage = {
      role: "user",
      content: [
        {
          type: "tool_result",
          tool_use_id: "toolu_web_search",
          is_error: false,
          content: [{ type: "search_result", title: "t", source: page, content: [], citations: false }],
        },
      ],
    };
    assert.ok(allowed(everything, from([use, found])));
  });

  test("remember what results have shown that go, and by which tool", () => {
    const gone = [
      ...call("web_search", page),
      ...call("lookup", `${page}/below`),
      ...call("bash", `${page}/bash`),
      ...call("web_fetch", `${page}/failed`, true),
    ];
    const shown_urls = rememberedUrls(from(gone));
    const later = { ...from([]), shown_urls };
    assert.ok(allowed(everything, later));
    assert.ok(!allowed({ ...everything, server_tool_results: { type: "none" } }, later));
    assert.ok(!allowed(nothing, later));
    assert.deepEqual(shown_urls, [
      { tool: "web_search", url: page },
      { tool: "lookup", url: `${page}/below` },
    ]);
    assert.deepEqual(rememberedUrls({ ...later, messages: gone }), shown_urls);
  });

  test("forget the oldest when there is no room for more", () => {
    const long = (i: number) => `https://a.example/${i}/${"x".repeat(1_900)}`;
    const count = Math.ceil(limits.web_shown_urls_chars_max / 1_900) + 5;
    let shown_urls: Conversation["shown_urls"] = [];
    for (let i = 0; i < count; i += 1)
      shown_urls = rememberedUrls({ messages: call("lookup", long(i)), shown_urls });
    const chars = shown_urls.reduce((sum, { tool, url }) => sum + tool.length + url.length, 0);
    assert.ok(chars <= limits.web_shown_urls_chars_max && chars > limits.web_shown_urls_chars_max - 2_000);
    assert.equal(shown_urls.at(-1)?.url, long(count - 1));
    assert.notEqual(shown_urls[0]?.url, long(0));
  });
});
