import assert from "node:assert/strict";
import { createReadStream } from "node:fs";
import { describe, test } from "node:test";
import { limits } from "../limits.ts";
import { gif, jpeg, png } from "../protocol/testing-images.ts";
import { textOf, toolBench } from "./testing.ts";

const { skip, says, fails, use, sh, workspace } = await toolBench();

/** Puts bytes into the workspace that are no text. */
const put = (path: string, base64: string) =>
  says("bash", { command: `cd /workspace; base64 -d >'${path}' <<'END'\n${base64}\nEND` });
const base64 = (text: string) => Buffer.from(text, "latin1").toString("base64");

describe("read", { skip }, () => {
  test("shows pictures and PDFs as what they are", async () => {
    const pictures = [
      ["a.png", "image/png", png(3, 2)],
      ["a.jpg", "image/jpeg", jpeg(3, 2)],
      ["named.txt", "image/gif", gif(3, 2)],
    ] as const;
    for (const [name, media_type, data] of pictures) {
      await put(name, data);
      const { content, is_error } = await use("read", { file_path: name });
      assert.equal(is_error, false);
      assert.deepEqual(content, [
        { type: "text", text: `${name}: ${media_type}, ${Buffer.from(data, "base64").length} bytes` },
        { type: "image", source: { type: "base64", media_type, data } },
      ]);
    }
    const data = base64("%PDF-1.4\n1 0 obj\n<< >>\nendobj\ntrailer << >>\nstartxref\n9\n%%EOF\n");
    await put("a.pdf", data);
    const { content } = await use("read", { file_path: "a.pdf" });
    assert.deepEqual(content, [
      { type: "text", text: "a.pdf: PDF, 62 bytes" },
      {
        type: "document",
        source: { type: "base64", media_type: "application/pdf", data },
        title: "a.pdf",
      },
    ]);
  });

  test("says what is wrong with a picture or a PDF that no model could read", async () => {
    await put("wide.png", png(9_000, 1));
    assert.match(
      await fails("read", { file_path: "wide.png" }),
      /wide\.png: is an image of 9000 by 1 pixels/,
    );
    await put("cut.png", png(1, 1).slice(0, 16));
    assert.match(await fails("read", { file_path: "cut.png" }), /cut short or damaged/);
    await put("closed.pdf", base64("%PDF-1.4\ntrailer << /Encrypt 1 0 R >>\nstartxref\n9\n%%EOF"));
    assert.match(await fails("read", { file_path: "closed.pdf" }), /is encrypted/);
    await sh(`cp wide.png huge.png; truncate -s ${limits.image_base64_chars_max} huge.png`);
    assert.match(
      await fails("read", { file_path: "huge.png" }),
      /has 10\.0 MB, and more than 7\.5 MB cannot be shown/,
    );
  });

  test("names binary files with kind and size", async () => {
    await sh("gzip -c /etc/passwd >a.gz; printf '\\377\\376h\\0i\\0' >u16.txt; printf 'a\\0b' >nul");
    assert.match(await fails("read", { file_path: "a.gz" }), /a\.gz: is binary: gzip file, \d+ bytes\.$/);
    assert.match(
      await fails("read", { file_path: "u16.txt" }),
      /u16\.txt: is binary: UTF-16 text, 6 bytes; convert it with iconv -f UTF-16/,
    );
    assert.match(
      await fails("read", { file_path: "nul" }),
      /nul: is binary: of no kind that is known by its beginning, 3 bytes/,
    );
    await sh("head -c 300 /dev/zero | tr '\\0' '\\200' >high");
    assert.match(await fails("read", { file_path: "high" }), /high: is binary/);
    assert.match(await fails("read", { file_path: "/bin/sh" }), /is binary: ELF program/);
  });

  test("shows the cells of a notebook with their outputs, and its lines when asked for them", async () => {
    const notebook = {
      cells: [
        { cell_type: "markdown", metadata: {}, source: ["# Title\n", "text"] },
        {
          cell_type: "code",
          execution_count: 3,
          source: "print(1)\nplot()",
          outputs: [
            { output_type: "stream", name: "stdout", text: ["1\n", "2"] },
            {
              output_type: "execute_result",
              data: { "text/plain": ["<Figure>"], "image/png": `${png(2, 2)}\n` },
            },
            { output_type: "execute_result", data: { "text/plain": "42", "text/html": "<b>42</b>" } },
            { output_type: "error", ename: "ValueError", evalue: "no", traceback: [] },
          ],
        },
      ],
      nbformat: 4,
    };
    await says("write", { file_path: "n.ipynb", content: JSON.stringify(notebook, null, 1) });
    const result = await use("read", { file_path: "n.ipynb" });
    assert.equal(
      textOf(result),
      `[Cell 1, markdown]
# Title
text
[Cell 2, code, run as 3]
print(1)
plot()
[Output of cell 2]
1
2
[Output of cell 2]
(a picture: number 1 below)
[Output of cell 2]
42
[Output of cell 2]
ValueError: no
<image>`,
    );
    assert.equal(
      await says("read", { file_path: "n.ipynb", view_range: [1, 2] }),
      '     1\t{\n     2\t "cells": [',
    );
    await says("write", { file_path: "broken.ipynb", content: '{"cells":' });
    assert.equal(await says("read", { file_path: "broken.ipynb" }), '     1\t{"cells":');
  });

  test("says of an empty file that it is, of a range behind the end how many lines there are", async () => {
    await sh(": >empty; printf 'a\\nb' >two");
    assert.equal(await says("read", { file_path: "empty" }), "[The file is empty.]");
    assert.match(
      await fails("read", { file_path: "two", view_range: [3, 9] }),
      /two: view_range begins at line 3, and the file has 2 lines/,
    );
    assert.equal(await says("read", { file_path: "two", view_range: [2, 99] }), "     2\tb");
  });

  test("refuses a range that is none", async () => {
    await sh(": >ranged");
    for (const view_range of [
      [0, 2],
      [-1, 0],
      [3, 2],
    ]) {
      assert.match(await fails("read", { file_path: "ranged", view_range }), /is not a range: start at 1/);
    }
  });

  test("cuts a long line with a note, and shows those after it", async () => {
    await sh("{ head -c 5000000 /dev/zero | tr '\\0' x; echo; echo after; } >wide");
    const [first = "", second] = (await says("read", { file_path: "wide" })).split("\n");
    assert.match(first, /^ {5}1\tx{2000} \[\.\.\. the line is cut here: it has more than 2000 characters\]$/);
    assert.equal(second, "     2\tafter");
  });

  test("says what is near a missing file, and what a folder holds", async () => {
    await sh(
      "mkdir -p lib/sub; touch lib/Reader.ts 'lib/my own' lib/writer.ts lib/.hidden $'lib/odd\\nname'",
    );
    assert.match(
      await fails("read", { file_path: "lib/reader.ts" }),
      /no such file\. Near it: lib\/Reader\.ts$/,
    );
    assert.match(
      await fails("read", { file_path: "/workspace/lib/Readers.tsx" }),
      /Near it: \/workspace\/lib\/Reader\.ts/,
    );
    assert.match(await fails("read", { file_path: "nowhere/at/all" }), /nowhere\/at\/all: no such file$/);
    assert.match(
      await fails("read", { file_path: "lib" }),
      /lib: is a directory\. It holds:\n\.hidden\nReader\.ts\nmy own\nodd\?name\nsub\/\nwriter\.ts$/,
    );
  });

  test("shows text that is not UTF-8, or has other line ends, and says so", async () => {
    await sh("printf 'caf\\351\\n' >latin; printf 'a\\r\\nb\\r\\n' >dos");
    assert.equal(
      await says("read", { file_path: "latin" }),
      "     1\tcaf\ufffd\n[It is not all UTF-8: what is not is shown as \ufffd.]",
    );
    assert.equal(await says("read", { file_path: "dos" }), "     1\ta\n     2\tb\n[Its lines end in CRLF.]");
    await sh("{ printf 'a\\r\\n'; head -c 10000 /dev/zero | tr '\\0' x; printf '\\r\\n'; } >dos");
    assert.match(await says("read", { file_path: "dos" }), /^ {5}1\ta\n.*\n\[Its lines end in CRLF\.\]$/);
    // A character that lies across the end of what is looked at is no fault.
    await sh("{ head -c 16383 /dev/zero | tr '\\0' x; printf 'ä\\n'; } >split");
    assert.doesNotMatch(await says("read", { file_path: "split" }), /not all UTF-8/);
  });

  test("comes to an end with whatever has no end", async () => {
    await sh("mkfifo pipe; ln -s round about; ln -s about round; truncate -s 10G sparse");
    assert.match(await fails("read", { file_path: "pipe" }), /not a regular file/);
    assert.match(await fails("read", { file_path: "/dev/zero" }), /not a regular file/);
    assert.match(await fails("read", { file_path: "round" }), /link that leads nowhere, or back to itself/);
    assert.match(await fails("read", { file_path: "sparse" }), /is binary: .*, 10240\.0 MB/);
    assert.match(await fails("read", { file_path: "a\0b" }), /NUL/);
    await says("bash", {
      command: "cd /workspace; yes growing | head -c 800000 >grows; while :; do echo growing; done >>grows &",
    });
    assert.match(await says("read", { file_path: "grows" }), /^ {5}1\tgrowing\n.*\[The file goes on/s);
    await sh("kill %1; rm grows sparse");
  });

  test("reads what the kernel makes up", async () => {
    assert.match(await says("read", { file_path: "/proc/self/status" }), /Name:/);
    // Half a terabyte, by the name of nothing.
    assert.match(await fails("read", { file_path: "/proc/self/pagemap" }), /is binary/);
  });

  test("leaves no large picture behind in the journal of the host", async () => {
    await put("small.png", png(10, 10));
    await sh("cp small.png large.png; head -c 3000000 /dev/zero >>large.png");
    await says("read", { file_path: "large.png" });
    let bytes = 0;
    for await (const chunk of createReadStream(`${workspace}/../../../journal/sesn_tools.jsonl`))
      bytes += chunk.length;
    assert.ok(bytes < 2_000_000, `${bytes} bytes in the journal`);
  });
});
