import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { createGzip, gzipSync } from "node:zlib";
import { limits } from "../../limits.ts";
import { createGuard, type Guard } from "../../net/guard.ts";
import { type WebFetchConfig, webFetch } from "./fetch.ts";
import { createReader } from "./reader.ts";
import { redirects, sends, startSite, type TestSite } from "./testing.ts";
import { pdfOf, pdfText } from "./testing-pages.ts";
import type { WebTool } from "./web-tool.ts";

let site: TestSite;
let guard: Guard;
let tool: WebTool;
const reader = createReader();
/** Bytes of a page that never ends. */
let endless = 0;
const hanging = Promise.withResolvers<void>();

before(async () => {
  site = await startSite({
    "/page": sends("text/html; charset=utf-8", "<title>A page</title><h1>Hello</h1><p>It says this."),
    "/data.json": sends("application/json", '{"a":  1}'),
    "/notes.txt": sends("text/plain; charset=iso-8859-1", Buffer.from("caf\xe9", "latin1")),
    "/paper.pdf": sends("application/pdf", pdfOf(pdfText("A finding"))),
    "/paper": sends("application/octet-stream", pdfOf(pdfText("A finding"))),
    "/untyped": sends("", "<!doctype html><p>markup"),
    "/binary": sends("", Buffer.from([1, 2, 0, 3])),
    "/utf16.txt": sends("text/plain", Buffer.from("\ufeffnaïve", "utf16le")),
    "/utf16": sends("", Buffer.from("\ufeff<html><p>naïve", "utf16le")),
    "/named.txt": sends("text/plain", Buffer.from([1, 2, 0, 3])),
    "/smileys.txt": sends("text/plain", `x${"😀".repeat(60_000)}`),
    "/image.png": sends("image/png", "x"),
    "/zipped": sends("text/plain", gzipSync("unpacked"), { "content-encoding": "gzip" }),
    "/empty": sends("text/html", ""),
    "/long.txt": sends("text/plain", "0123456789".repeat(50_000)),
    "/long.html": sends("text/html", `<title>${"t".repeat(9_000)}</title><p>${"€".repeat(1_000)}`),
    "/page.xhtml": sends("application/xhtml+xml", "<html><body><p>in <b>XHTML</b></p></body></html>"),
    "/paper.x-pdf": sends("application/x-pdf", pdfOf(pdfText("A finding"))),
    "/began": redirects("/deep/went"),
    "/deep/went": redirects("ended"),
    "/deep/ended": sends("text/plain", "the end"),
    "/fragment": sends("", "<html lang=en><p>markup"),
    "/gone": (_, response) => response.writeHead(410).end("gone"),
    "/once": redirects("/page"),
    "/loop": redirects("/loop"),
    "/inside": redirects("http://127.0.0.2/secret"),
    "/metadata": redirects("http://169.254.169.254/latest/meta-data/"),
    "/file": redirects("file:///etc/passwd"),
    "/elsewhere": redirects("http://elsewhere.example/"),
    "/nowhere": redirects("http://"),
    "/endless": (_, response) => {
      response.writeHead(200, { "content-type": "text/html" });
      const more = () => {
        const piece = "<p>more and more</p>".repeat(1_000);
        do endless += piece.length;
        while (!response.destroyed && response.write(piece));
        if (!response.destroyed) response.once("drain", more);
      };
      more();
    },
    "/bomb": (_, response) => {
      response.writeHead(200, { "content-type": "text/html", "content-encoding": "gzip" });
      const zip = createGzip();
      zip.pipe(response);
      const zeros = Buffer.alloc(1 << 20);
      let left = 1_024;
      const more = () => {
        while (left > 0 && !response.destroyed) {
          left -= 1;
          if (!zip.write(zeros)) return zip.once("drain", more);
        }
        zip.end();
      };
      more();
    },
    "/slow": (_, response) => {
      response.writeHead(200, { "content-type": "text/html" });
      response.write("<p>");
      hanging.resolve();
    },
  });
  guard = createGuard({
    allow_private_hosts: ["127.0.0.1"],
    resolve: async (name) => (name === "twice.example" ? ["127.0.0.1", "127.0.0.1"] : []),
  });
  tool = webFetch({ guard, reader });
});
after(async () => {
  reader.close();
  await guard.close();
  site.close();
});

const never = new AbortController().signal;
const conversation = { user_texts: [], messages: [], shown_urls: [] };

async function get(path: string, config: WebFetchConfig = {}, signal = never) {
  const url = path.startsWith("/") ? `${site.url}${path}` : path;
  const { content, is_error } = await tool.run({ url }, { config, conversation, signal });
  const [block] = content;
  return { text: block?.type === "text" ? block.text : "", is_error };
}
async function says(path: string, config: WebFetchConfig = {}) {
  const { text, is_error } = await get(path, config);
  assert.equal(is_error, false, text);
  return text.slice(text.indexOf("\n\n") + 2);
}
async function fails(path: string, config: WebFetchConfig = {}) {
  const { text, is_error } = await get(path, config);
  assert.equal(is_error, true, text);
  return text;
}

describe("web_fetch", () => {
  test("reads HTML, PDF and text, named or not", async () => {
    assert.deepEqual(await get("/page"), {
      text: `URL: ${site.url}/page\nTitle: A page\n\n# Hello\n\nIt says this.`,
      is_error: false,
    });
    assert.equal(await says("/data.json"), '{"a":  1}');
    assert.equal(await says("/notes.txt"), "café");
    assert.equal(await says("/paper.pdf"), "[Page 1 of 1]\nA finding");
    assert.equal(await says("/paper"), "[Page 1 of 1]\nA finding");
    assert.equal(await says("/untyped"), "markup");
    assert.equal(await says("/utf16.txt"), "naïve");
    assert.equal(await says("/utf16"), "naïve");
    assert.equal(await says("/fragment"), "markup");
    assert.equal(await says("/page.xhtml"), "in **XHTML**");
    assert.equal(await says("/paper.x-pdf"), "[Page 1 of 1]\nA finding");
    assert.equal(await says("/zipped"), "unpacked");
    assert.equal(await says("/empty"), "[The page has no text.]");
  });

  test("says what it cannot read, and what does not answer", async () => {
    assert.match(await fails("/image.png"), /^unsupported_content_type: .*image\/png/);
    assert.match(await fails("/binary"), /^unsupported_content_type/);
    assert.match(await fails("/named.txt"), /^unsupported_content_type/);
    assert.match(await fails("/gone"), /^url_not_accessible: .*410 Gone$/);
    const closed = await startSite({});
    closed.close();
    assert.match(await fails(closed.url), /^url_not_accessible: .*ECONNREFUSED/);
    const twice = closed.url.replace("127.0.0.1", "twice.example");
    assert.match(await fails(twice), /^url_not_accessible: .*ECONNREFUSED/);
    assert.match(await fails("http://nowhere.example/"), /^url_not_accessible: .*has no address/);
    assert.match(await fails("not a url"), /^invalid_tool_input/);
    assert.match(await fails(`/${"x".repeat(3_000)}`), /^url_too_long/);
    const endless = await fails("no url ".repeat(1_000));
    assert.match(endless, /^url_too_long/);
    assert.ok(endless.length < 200);
  });

  test("follows redirects, so far, and nowhere that it may not go itself", async () => {
    const { text } = await get("/once");
    assert.match(text, new RegExp(`^URL: ${site.url}/page\n`));
    assert.equal(await says("/began"), "the end");
    const before = site.asked.length;
    assert.match(await fails("/loop"), /^url_not_accessible: .*more than 10 redirects/);
    assert.equal(site.asked.length - before, limits.web_redirects_max + 1);
    for (const path of ["/inside", "/metadata", "/file"])
      assert.match(await fails(path), /^url_not_allowed: /);
    assert.match(await fails("/nowhere"), /^url_not_accessible: .*not a URL/);
  });

  test("keeps to the agent's domains, through redirects too", async () => {
    const before = site.asked.length;
    assert.match(
      await fails("/page", { allowed_domains: ["example.com"] }),
      /^url_not_allowed: .*127\.0\.0\.1/,
    );
    assert.equal(site.asked.length, before);
    assert.match(
      await fails("/elsewhere", { blocked_domains: ["elsewhere.example"] }),
      /^url_not_allowed: .*elsewhere\.example/,
    );
  });

  test("keeps to the conversation where url_sources are set", async () => {
    const url_sources = { user_input: null, client_tool_results: null, server_tool_results: null };
    const before = site.asked.length;
    assert.match(await fails("/page", { url_sources }), /^url_not_allowed: .*url_sources/);
    assert.equal(site.asked.length, before);
    const told = { messages: [], shown_urls: [], user_texts: [`Look at ${site.url}/page, please.`] };
    const use = { config: { url_sources }, conversation: told, signal: never };
    assert.equal((await tool.run({ url: `${site.url}/page` }, use)).is_error, false);
  });

  test("cuts what is long, and what is longer than the agent's max_content_tokens", async () => {
    const long = await says("/long.txt");
    assert.equal(long, `${"0123456789".repeat(10_000)}\n[The rest was left out.]`);
    assert.equal(
      await says("/long.txt", { max_content_tokens: 5 }),
      "01234567890123456789\n[The rest was left out.]",
    );
    // Never in the middle of a character.
    assert.equal(await says("/smileys.txt"), `x${"😀".repeat(49_999)}\n[The rest was left out.]`);
    assert.equal(await says("/long.html", { max_content_tokens: 1 }), "€\n[The rest was left out.]");
    const { text } = await get("/long.html");
    assert.match(text, /\nTitle: t{500}\n/);
    assert.equal(await says("/paper.pdf", { max_content_tokens: 1 }), "[Page 1 of 1]\nA finding");
  });

  test("takes no more than so much of an answer without end, or of one that unpacks into a gigabyte", async () => {
    assert.match(await fails("/endless"), /^content_too_large/);
    assert.ok(endless < 4 * limits.web_page_bytes_max, `${endless} bytes were taken`);
    assert.match(await fails("/bomb"), /^content_too_large/);
    assert.equal(await says("/data.json"), '{"a":  1}');
  });

  test("lets an answer that does not come go when it is interrupted", async () => {
    const interrupt = new AbortController();
    const waiting = get("/slow", {}, interrupt.signal);
    await hanging.promise;
    interrupt.abort();
    const { text, is_error } = await waiting;
    assert.match(text, /interrupted/);
    assert.equal(is_error, true);
  });

  test("is refused an input of another form", async () => {
    const result = await tool.run({ uri: site.url }, { config: {}, conversation, signal: never });
    assert.equal(result.is_error, true);
  });
});
