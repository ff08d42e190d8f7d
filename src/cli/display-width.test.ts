import assert from "node:assert/strict";
import { test } from "node:test";
import { cut, displayWidth } from "./display-width.ts";

test("a line is as wide as a terminal draws it", () => {
  const widths: [string, number][] = [
    ["plain", 5],
    ["日本語", 6],
    ["한글", 4],
    ["ｆｕｌｌ", 8],
    ["é e\u0301", 3],
    ["a\u0301\u0302\u0303", 1],
    ["שלום", 4],
    ["नमस्ते", 4],
    ["😀", 2],
    ["👩‍💻", 2],
    ["🇩🇪", 2],
    ["❤\ufe0f", 2],
    ["❤", 1],
    ["␛[31m", 5],
    ["", 0],
  ];
  for (const [line, width] of widths) assert.equal(displayWidth(line), width, line);
});

test("a line is cut between characters, to the cells that there are", () => {
  assert.equal(cut("日本語", 6), "日本語");
  assert.equal(cut("日本語", 5), "日本…");
  assert.equal(cut("日本語", 4), "日…");
  assert.equal(cut("abc", 3), "abc");
  assert.equal(cut("abcd", 3), "ab…");
  assert.equal(cut("e\u0301e\u0301e\u0301", 2), "e\u0301…");
  assert.equal(cut("👩‍💻👩‍💻", 3), "👩‍💻…");
  assert.equal(cut("abc", 0), "");
  for (const line of ["日本語 and more", "👩‍💻".repeat(9), "x".repeat(50)])
    for (let cells = 0; cells < 20; cells++) assert.ok(displayWidth(cut(line, cells)) <= cells);
});
