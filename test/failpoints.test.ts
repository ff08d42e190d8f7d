import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { failpoints } from "../src/failpoints.ts";
import { testSessionDeaths } from "./harness/session-deaths.ts";

/** One before and one after a write, and those of whoever runs commands; the others run with the long tests. */
testSessionDeaths(["append_asked", "tool_answered", "call_noted", "call_kept", "answer_committed"]);

test("every place is in the program once", () => {
  const root = join(import.meta.dirname, "../src");
  const named = globSync("**/*.ts", { cwd: root }).flatMap((file) =>
    [...readFileSync(join(root, file), "utf8").matchAll(/\bfailpoint\("(\w+)"\)/g)].map(([, name]) => name),
  );
  assert.deepEqual(named.toSorted(), [...failpoints].toSorted());
});
