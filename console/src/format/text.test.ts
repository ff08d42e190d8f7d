import assert from "node:assert/strict";
import { test } from "node:test";
import { fromTerminal, readableJson, shortId, visible, visibleJson } from "./text.ts";

test("characters that deceive are shown by their numbers, and all others as they are", () => {
  assert.equal(visible("a\u202eb\u0007\u200b"), "a⟨U+202E⟩b⟨U+0007⟩⟨U+200B⟩");
  for (const text of ["plain\ttext\nand more", "Größe 数 مرحبا", "👩‍💻 👨‍👩‍👧 ❤️‍🔥"])
    assert.equal(visible(text), text);
  assert.equal(visible("a\u200db"), "a⟨U+200D⟩b");
});

test("what only a model reads is seen, and what emoji and Han are made of stays", () => {
  assert.equal(visible("a\u{e0041}\u{e0042}"), "a⟨U+E0041⟩⟨U+E0042⟩");
  assert.equal(visible("a\ufe01\ufe02b\u{e0101}"), "a\ufe01⟨U+FE02⟩b⟨U+E0101⟩");
  assert.equal(visible("a\u3164\u00adb"), "a⟨U+3164⟩⟨U+00AD⟩b");
  const england = "\u{1f3f4}\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}";
  for (const text of [england, "葛\u{e0100}", "👩🏽‍💻", "one\r\ntwo"]) assert.equal(visible(text), text);
});

test("what is copied says in numbers what is not seen, and means the same", () => {
  const value = { a: "\u202egnirts\u{e0041}\u001b" };
  assert.equal(visibleJson(value), '{"a":"\\u202egnirts\\udb40\\udc41\\u001b"}');
  assert.deepEqual(JSON.parse(visibleJson(value, 2)), value);
});

test("what is written for a terminal is read without its colours", () => {
  const written =
    "\u001b[1;31mred\u001b[0m\r\n10%\r100%\n\u001b]8;;https://example.org\u0007link\u001b]8;;\u001b\\";
  assert.equal(fromTerminal(written), "red\n10%\n100%\nlink");
});

test("JSON of any depth can be read", () => {
  assert.equal(readableJson({ a: [1] }), '{\n  "a": [\n    1\n  ]\n}');
  let deep: unknown = 1;
  for (let n = 0; n < 2_000; n++) deep = [deep];
  assert.equal(readableJson(deep).length, 4_001);
  for (let n = 0; n < 100_000; n++) deep = [deep];
  assert.match(readableJson(deep), /too deep/);
});

test("an id is short by its middle", () => {
  assert.equal(shortId("sesn_01HZX3abcdefghijklmnop"), "sesn_…lmnop");
  assert.equal(shortId("default"), "default");
});
