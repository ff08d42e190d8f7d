import assert from "node:assert/strict";
import { test } from "node:test";
import { shortId, visible } from "./text.ts";

test("characters that deceive are shown by their numbers, and all others as they are", () => {
  assert.equal(visible("a\u202eb\u0007\u200b"), "a⟨U+202E⟩b⟨U+0007⟩⟨U+200B⟩");
  for (const text of ["plain\ttext\nand more", "Größe 数 مرحبا", "👩‍💻 👨‍👩‍👧 ❤️‍🔥"])
    assert.equal(visible(text), text);
  assert.equal(visible("a\u200db"), "a⟨U+200D⟩b");
});

test("an id is short by its middle", () => {
  assert.equal(shortId("sesn_01HZX3abcdefghijklmnop"), "sesn_…lmnop");
  assert.equal(shortId("default"), "default");
});
