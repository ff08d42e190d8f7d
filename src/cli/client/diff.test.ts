import assert from "node:assert/strict";
import { test } from "node:test";
import { diffOf } from "./diff.ts";

const numbered = (text: string, n: number) => Array.from({ length: n }, (_, each) => `${text} ${each}`);
const drawn = (before: string[], after: string[]) =>
  diffOf(before, after).map(({ mark, text }) => `${mark}${text}`);

test("lines that stay are found, and what is alike at both ends is no work", () => {
  assert.deepEqual(drawn(["a", "b", "c", "d"], ["a", "c", "e", "d"]), [" a", "-b", " c", "+e", " d"]);
  assert.deepEqual(drawn(["a", "a"], ["a"]), [" a", "-a"]);
  assert.deepEqual(drawn([], ["a"]), ["+a"]);
  const many = numbered("line", 100_000);
  assert.equal(diffOf(many, many.with(50_000, "another")).filter(({ mark }) => mark !== " ").length, 2);
});

test("where very many differ, no table of all pairs is made", () => {
  const [before, after] = [numbered("old", 3_000), numbered("new", 3_000)];
  assert.deepEqual(drawn([...before, "kept", "old"], [...after, "kept", "new"]), [
    ...[...before, "kept", "old"].map((line) => `-${line}`),
    ...[...after, "kept", "new"].map((line) => `+${line}`),
  ]);
});
