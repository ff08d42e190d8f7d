import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { longest, longestFirst } from "./longest-first.ts";

const program = join(import.meta.dirname, "test.ts");

test("arguments that would be left out are refused", () => {
  const wrong: [string[], RegExp][] = [
    [["--al"], /^scripts\/test: --al is not an option; .+\n$/],
    [["-v", "src/config.test.ts"], /^scripts\/test: -v is not an option; .+\n$/],
    [["--all", "src/config.test.ts"], /^scripts\/test: --all takes no files; .+\n$/],
  ];
  for (const [args, problem] of wrong) {
    const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], { encoding: "utf8" });
    assert.match(stderr, problem);
    assert.equal(stdout, "");
    assert.equal(status, 2);
  }
});

test("the files that take longest are there, and come first", () => {
  const files = globSync(["{src,test,scripts}/**/*.test.ts"], {
    cwd: join(import.meta.dirname, ".."),
  }).toSorted();
  const ordered = longestFirst(files);
  assert.deepEqual(ordered.slice(0, longest.length), longest);
  assert.deepEqual(
    ordered.slice(longest.length),
    files.filter((file) => !longest.includes(file)),
  );
  assert.equal(ordered.length, files.length);
});
