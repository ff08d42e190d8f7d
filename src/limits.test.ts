import assert from "node:assert/strict";
import { globSync } from "node:fs";
import { test } from "node:test";
import { limits } from "./limits.ts";

test("no bound has its name twice, and none is left out", async () => {
  const names: string[] = [];
  for (const file of globSync("limits/*.ts", { cwd: import.meta.dirname }))
    for (const part of Object.values((await import(`./${file}`)) as Record<string, object>))
      names.push(...Object.keys(part));
  assert.deepEqual(names.toSorted(), Object.keys(limits).toSorted());
});
