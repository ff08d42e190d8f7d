import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { skip as hostSkip } from "../../src/hands/layers/testing-host.ts";
import { tryAsPackage } from "./installers-rig.ts";
import { python } from "./rig.ts";

const skip = hostSkip || (!existsSync(python) && `the attempts need ${python}`);

test("nothing that the code of a package tries gets out of where it is installed", { skip }, async () => {
  const failed = (await tryAsPackage()).filter(({ was }) => was !== "held");
  assert.deepEqual(
    failed.map(({ group, attempt, said, was }) => `${was}: ${group}: ${attempt.name}: ${said}`),
    [],
  );
});
