import assert from "node:assert/strict";
import { test } from "node:test";
import { readMarkdown } from "./markdown.ts";

const types = (text: string) => readMarkdown(text)?.map(({ type }) => type);

test("what people write is read", () => {
  const text = "# a\n\n*b* [c](https://d.test)\n\n> - e\n>   - f\n\n|g|h|\n|-|-|\n|1|2|\n\n```\ni\n```\n";
  assert.deepEqual(
    types(text)?.filter((type) => type !== "space"),
    ["heading", "paragraph", "blockquote", "table", "code"],
  );
  assert.deepEqual(types("- x\n".repeat(2_000)), ["list"]);
  assert.deepEqual(types(`|a|b|\n|-|-|\n${"|1|2|\n".repeat(500)}`), ["table"]);
});

test("what would hold the page up or break it is not", () => {
  const wide = 2_000;
  const texts = {
    "a table of millions of cells": `${"|a".repeat(wide)}|\n${"|-".repeat(wide)}|\n${"a\n".repeat(15_000)}`,
    "many tables of many cells": `${"|a".repeat(50)}|\n${"|-".repeat(50)}|\n${"a\n".repeat(20)}\n`.repeat(20),
    "quotes within quotes": `${">".repeat(20_000)}x`,
    "lists within lists": `${"- ".repeat(5_000)}x`,
    "lists within lists, by lines": Array.from({ length: 300 }, (_, i) => `${"  ".repeat(i)}- x`).join("\n"),
    "what is too long": "a ".repeat(30_000),
  };
  for (const [what, text] of Object.entries(texts)) assert.equal(readMarkdown(text), null, what);
});

test("a paragraph that would take long to read is text as it is", () => {
  for (const text of ["_a_".repeat(16_000), "*a ".repeat(16_000), `a${" ".repeat(48_000)}b`]) {
    const [paragraph, ...more] = readMarkdown(text) ?? [];
    assert.equal(more.length, 0);
    assert.ok(paragraph?.type === "paragraph");
    assert.deepEqual(
      paragraph.tokens?.map(({ type, raw }) => [type, raw]),
      [["text", text]],
    );
  }
});
