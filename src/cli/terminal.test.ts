import assert from "node:assert/strict";
import { test } from "node:test";
import { jsonText, visible, visibleLine } from "./terminal.ts";

test("what a terminal obeys or hides is shown, and all else stays as it is", () => {
  assert.equal(visible("a\u001b[31mb\u009bc\td\ne\u007f"), "a␛[31mb␛c  d\ne␡");
  assert.equal(visible("abc\u202etxt.exe\u2066\u200b\ufeff"), "abc<U+202E>txt.exe<U+2066><U+200B><U+FEFF>");
  assert.equal(visible("half \ud83d and hidden \u{e0041}"), "half <U+D83D> and hidden <U+E0041>");
  assert.equal(visible("👩‍💻 日本語 עברית é"), "👩‍💻 日本語 עברית é");
  assert.equal(visibleLine("two\nlines"), "two␊lines");
});

test("JSON holds the same value, and nothing of it raw", () => {
  const value = { text: "\u001b[2J\u009b\u202e\u{e0041}\u2028", fine: "é 👩‍💻" };
  const text = jsonText(value);
  assert.deepEqual(JSON.parse(text), value);
  assert.doesNotMatch(text, /[\u0000-\u001f\u007f-\u009f\u2028\u202e]|\u{e0041}/u);
  assert.match(text, /é 👩‍💻/);
});
