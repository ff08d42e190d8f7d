import assert from "node:assert/strict";
import { test } from "node:test";
import { environment } from "./variables.ts";

test("an image has its variables, but none by which a sandbox would begin otherwise", () => {
  const dangerous = {
    LD_PRELOAD: "/workspace/a.so",
    LD_LIBRARY_PATH: "/workspace",
    BASH_ENV: "x",
    SHELLOPTS: "y",
    IFS: "z",
  };
  const env: Record<string, string> = environment({
    ...dangerous,
    "BASH_FUNC_cd%%": "() { :; }",
    HOME: "/root",
    KEPT: "1",
  });
  assert.deepEqual(
    Object.keys(env).filter((name) => name in dangerous || name.startsWith("BASH_")),
    [],
  );
  assert.deepEqual([env.KEPT, env.HOME], ["1", "/home/agent"]);
});
