import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { after, describe, test } from "node:test";
import { isLong } from "../../../test/harness/long.ts";
import { limits } from "../../limits.ts";
import { createReader, type Page, type Reading } from "./reader.ts";
import { pdfOf, pdfText } from "./testing-pages.ts";

const reader = createReader();
/** For pages that are to be read however busy this machine is. */
const patient = createReader({ reading_ms: 10 * 60_000 });
after(() => {
  reader.close();
  patient.close();
});
const never = new AbortController().signal;

const html = (text: string | Buffer, charset = ""): Page => ({
  format: "html",
  url: "https://docs.example/guide/start",
  charset,
  bytes: Buffer.from(text),
});
const pdf = (bytes: Buffer): Page => ({
  format: "pdf",
  url: "https://docs.example/a.pdf",
  charset: "",
  bytes,
});

async function read(page: Page, by = patient) {
  const reading = await by.read(page, never);
  assert.ok("read" in reading, "unreadable" in reading ? reading.unreadable : "");
  return reading.read;
}
const unreadable = (reading: Reading) =>
  "unreadable" in reading ? reading.unreadable : assert.fail("was read");

describe("a page of HTML", () => {
  test("is Markdown: headings, links, lists, tables, code", async () => {
    const { title, text } = await read(
      html(`<!doctype html><html><head><title> The  guide </title><style>p{}</style></head><body>
        <nav><a href="/">Home</a></nav><script>alert(1)</script>
        <main><h1>Start</h1><p>Read <a href="../next?a=1#b">on</a>, <b>please</b>.</p>
        <ul><li>one</li><li>two</li></ul>
        <table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>
        <pre><code class="language-js">let a = 1;\n\nlet b;</code></pre>
        <p hidden>not seen</p><a href="javascript:x()">nowhere</a></main>
        <footer>Imprint</footer></body></html>`),
    );
    assert.equal(title, "The guide");
    assert.match(text, /^# Start\n\nRead \[on\]\(https:\/\/docs\.example\/next\?a=1#b\), \*\*please\*\*\./);
    assert.match(text, /- +one\n- +two/);
    assert.match(text, /\| a +\| b +\|\n\| -+ \| -+ \|\n\| 1 +\| 2 +\|/);
    assert.match(text, /```js\nlet a = 1;\n\nlet b;\n```/);
    assert.doesNotMatch(text, /Home|alert|not seen|Imprint|javascript|p\{\}/);
  });

  test("without a main part is all of its body but what surrounds it", async () => {
    const { text } = await read(html("<nav>menu</nav><p>What it says.</p><footer>end</footer>"));
    assert.equal(text, "What it says.");
    const nested = "<p>What.</p><footer>menu of many words<nav>another menu of words</nav></footer>";
    assert.equal((await read(html(nested))).text, "What.");
    assert.equal((await read(html("<nav><a href=/a>only</a></nav>"))).text, "[only](https://docs.example/a)");
  });

  test("is read in the encoding of its server, or else of its head", async () => {
    const latin = Buffer.from("<p>caf\xe9</p>", "latin1");
    assert.equal((await read(html(latin, "iso-8859-1"))).text, "café");
    assert.equal(
      (await read(html(Buffer.concat([Buffer.from('<meta charset="windows-1252">'), latin])))).text,
      "café",
    );
    assert.equal((await read(html("<p>café</p>", "no-such-charset"))).text, "café");
    assert.equal((await read(html('<meta charset="utf-16"><p>café</p>'))).text, "café");
    assert.equal((await read(html('<meta charset="utf-7"><p>café</p>'))).text, "café");
    const marked = Buffer.from("\ufeff<p>café</p>", "utf16le");
    assert.equal((await read(html(marked, "utf-8"))).text, "café");
    assert.equal((await read(html(Buffer.from(marked).swap16(), "utf-8"))).text, "café");
    assert.equal((await read(html("\ufeff<p>café</p>", "windows-1252"))).text, "café");
  });

  test("that is nested deeper than a usual stack allows is read", async () => {
    assert.match((await read(html(`${"<div>".repeat(2_000)}deep`))).text, /^deep$/);
  });

  test("that is longer than what is shown is cut, one character late", async () => {
    const { text } = await read(html(`<p>${"word ".repeat(100_000)}</p>`));
    assert.equal(text.length, limits.web_text_chars_max + 1);
  });
});

describe("a reader's process", () => {
  test("reads one page after the other, and is given nothing of the server's environment", async () => {
    process.env.DROVER_PROBE = "secret";
    const own = createReader();
    const before = new Set(children());
    for (const word of ["one", "two", "three"]) {
      assert.deepEqual(await own.read(html(word), never), { read: { title: null, text: word } });
    }
    const [pid, ...others] = children().filter((child) => !before.has(child));
    assert.deepEqual(others, []);
    assert.doesNotMatch(readFileSync(`/proc/${pid}/environ`, "utf8"), /DROVER_PROBE|PATH=/);
    own.close();
    delete process.env.DROVER_PROBE;
  });
});

const children = () =>
  readdirSync("/proc/self/task").flatMap((task) =>
    readFileSync(`/proc/self/task/${task}/children`, "utf8").split(" ").filter(Boolean),
  );

describe("a PDF", () => {
  test("is the text of its pages", async () => {
    const { title, text } = await read(pdf(pdfOf(pdfText("First line", "Second line"))));
    assert.equal(title, "A paper");
    assert.equal(text, "[Page 1 of 1]\nFirst line\nSecond line");
  });

  test("is read up to a number of pages", async () => {
    const { text } = await read(pdf(pdfOf(pdfText("x"), limits.web_pdf_pages_max + 1)));
    assert.match(text, /\[Page 500 of 501\]\nx\n\n\[Further pages were left out\.\]$/);
  });

  test("that is none is unreadable", async () => {
    assert.match(unreadable(await reader.read(pdf(Buffer.from("%PDF-1.4 nonsense")), never)), /./);
  });
});

describe("a page that is made to do harm", () => {
  const hostile: [string, Page][] = [
    ["millions of tags", html("<b>".repeat(2_000_000))],
    ["a PDF whose one page is a gigabyte", pdf(pdfOf(Buffer.alloc(2 ** 30, " ")))],
  ];
  const alsoHostile: [string, Page][] = [
    ["millions of attributes", html(`<a ${Array.from({ length: 800_000 }, (_, i) => `a${i}`).join(" ")}>`)],
    ["a PDF of millions of words", pdf(pdfOf(Buffer.from(`BT /F1 12 Tf ${"(x) Tj ".repeat(2_000_000)} ET`)))],
  ];
  for (const [what, page] of isLong ? [...hostile, ...alsoHostile] : hostile) {
    test(`of ${what} ends, and the process goes on answering`, async () => {
      let beats = 0;
      const beating = setInterval(() => {
        beats += 1;
      }, 5);
      const reading = await reader.read(page, never);
      clearInterval(beating);
      assert.ok("read" in reading || /too/.test(reading.unreadable), JSON.stringify(reading).slice(0, 200));
      assert.ok(beats > 0);
      assert.equal((await read(html("<p>still here</p>"), reader)).text, "still here");
    });
  }

  test("is let go when nobody waits for it any more", async () => {
    const abort = new AbortController();
    const reading = reader.read(html("<b>".repeat(2_000_000)), abort.signal);
    abort.abort();
    assert.match(unreadable(await reading), /interrupted/);
  });
});
