import assert from "node:assert/strict";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { appears } from "../hands/testing-host.ts";
import { expandBraces } from "./glob.ts";
import { textOf, toolBench } from "./testing.ts";

const { skip, says, fails, use, workspace } = await toolBench();

test("braces are expanded as a shell would", () => {
  assert.deepEqual(expandBraces("a/{b,c}/*.{ts,js}").toSorted(), [
    "a/b/*.js",
    "a/b/*.ts",
    "a/c/*.js",
    "a/c/*.ts",
  ]);
  assert.deepEqual(expandBraces("{a}"), ["{a}"]);
});

describe("search", { skip }, () => {
  before(async () => {
    await says("bash", {
      command:
        "mkdir -p /workspace/s/sub && cd /workspace/s && echo 'alpha 42' > old.ts && echo beta > sub/new.ts && echo gamma > 'sub/a b.js' && touch -d '2020-01-01' old.ts",
    });
  });

  test("finds files by pattern, the newest first", async () => {
    assert.equal(await says("glob", { pattern: "**/*.ts", path: "/workspace/s" }), "sub/new.ts\nold.ts");
    assert.equal(await says("glob", { pattern: "sub/*.{js,py}", path: "/workspace/s" }), "sub/a b.js");
    assert.equal(await says("glob", { pattern: "*.none", path: "/workspace/s" }), "No files match.");
    assert.equal(
      await says("glob", { pattern: "$(touch /workspace/pwned)", path: "/workspace/s" }),
      "No files match.",
    );
    assert.match(await fails("glob", { pattern: "*", path: "/nowhere" }), /No such file/);
  });

  test("finds text by regular expression", async () => {
    assert.equal(
      await says("grep", { pattern: "alpha \\d+", path: "/workspace/s" }),
      "/workspace/s/old.ts:1:alpha 42",
    );
    assert.equal(
      await says("grep", { pattern: "beta", path: "/workspace/s/sub/new.ts" }),
      "/workspace/s/sub/new.ts:1:beta",
    );
    assert.equal(await says("grep", { pattern: "nothing", path: "/workspace/s" }), "No matches.");
    assert.match(await fails("grep", { pattern: "(", path: "/workspace/s" }), /parenthes/);
  });

  test("that is stopped says so, after the whole lines that it found", async () => {
    // More than the pipe and grep's buffer hold follows the matches: when it is written, they were printed.
    const feed = "yes here | head -n 500; yes nothing | head -c 1000000; touch fed; sleep 1000";
    await says("bash", { command: `cd /workspace; mkfifo feed; { ${feed}; } >feed &` });
    const interrupt = new AbortController();
    const asked = use("grep", { pattern: "here", path: "/workspace/feed" }, interrupt.signal);
    await appears(join(workspace, "fed"));
    interrupt.abort();
    const result = await asked;
    const lines = textOf(result).split("\n");
    assert.equal(result.is_error, true);
    assert.equal(lines.pop(), "[The search was interrupted before it had seen everything.]");
    assert.ok(lines.length > 100);
    assert.deepEqual(
      lines,
      lines.map((_, i) => `/workspace/feed:${i + 1}:here`),
    );
  });
});
