import assert from "node:assert/strict";
import { after, test } from "node:test";
import { droverOf } from "./harness/drover.ts";
import { completedIn, isThere } from "./harness/shells.ts";

const drover = droverOf(null);
after(() => drover.close());

for (const shell of ["zsh", "fish"] as const)
  test(`${shell} completes with the script that it is given`, {
    skip: isThere(shell) ? false : `${shell} is not on this machine`,
  }, async () => {
    assert.deepEqual(await completedIn(shell, drover), ["set", "show"]);
  });
