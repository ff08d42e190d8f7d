import assert from "node:assert/strict";
import { test } from "node:test";
import { preview } from "./preview.ts";

test("a preview cuts no character in two, at neither end", () => {
  for (const text of ["😀".repeat(20_000), `x${"😀".repeat(20_000)}x`]) {
    const shown = preview({ head: text, tail: text }, { bytes: 80_000, kept: null });
    assert.ok(shown.isWellFormed(), JSON.stringify(shown.slice(0, 20)));
  }
});

test("a preview says how much of the output is in its file", () => {
  const ends = { head: "a".repeat(9_000), tail: "b".repeat(9_000) };
  const kept = { path: "/there.txt", bytes: 50_000, complete: true };
  assert.match(preview(ends, { bytes: 50_000, kept }), /\nb{8000}$/);
  assert.match(preview(ends, { bytes: 50_000, kept }), /All of it is in \/there\.txt/);
  assert.match(
    preview(ends, { bytes: 90_000, kept: { ...kept, complete: false } }),
    /Its first 50000 bytes are in \/there\.txt/,
  );
});
