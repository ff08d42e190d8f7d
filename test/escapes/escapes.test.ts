import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { testFolder } from "../../src/hands/testing.ts";
import type { Attempt } from "./attempt.ts";
import { battery } from "./battery.ts";
import { drivers } from "./drivers.ts";
import { python, type Rig, startRig } from "./rig.ts";

const isRoot = process.getuid?.() === 0;

test("there are as many attempts as were promised, each by a name of its own", () => {
  const names = battery.flatMap(({ name, attempts }) => attempts.map((each) => `${name}: ${each.name}`));
  assert.equal(new Set(names).size, names.length);
  assert.ok(names.length >= 60, `${names.length}`);
});

for (const { name, make } of drivers) {
  describe(`nothing gets out of a sandbox of ${name}`, { skip: await reasonToSkip(make) }, () => {
    let rig: Rig;
    before(async () => {
      rig = await startRig({ make });
    });
    after(() => rig.close());

    for (const group of battery) {
      test(`${group.name}: ${group.attempts.length} attempts`, async (t) => {
        const enforced = await rig.driver.enforces();
        const has = ({ needs }: Attempt) =>
          needs === undefined || (needs === "root" ? isRoot : enforced[needs].scope === "sandbox");
        for (const { name, needs } of group.attempts.filter((each) => !has(each)))
          t.diagnostic(`not tried, for lack of ${needs}: ${name}`);
        const outcomes = await rig.try(group.attempts.filter(has));
        const failed = outcomes.filter(({ was }) => was !== "held");
        assert.deepEqual(
          failed.map(({ attempt, said, was }) => `${was}: ${attempt.name}: ${said} (not ${attempt.holds})`),
          [],
        );
      });
    }
  });
}

async function reasonToSkip(make: (typeof drivers)[number]["make"]): Promise<string | false> {
  if (!existsSync(python)) return `the attempts need ${python}`;
  const folder = testFolder();
  try {
    return (await make(folder.path).check()) ?? false;
  } finally {
    folder.remove();
  }
}
