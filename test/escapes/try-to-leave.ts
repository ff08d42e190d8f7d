import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import type { StartedDriver } from "../../src/hands/drivers/testing-drivers.ts";
import { testFolder } from "../../src/hands/testing.ts";
import { type Attempt, outcomeOf } from "./attempt.ts";
import { battery } from "./battery.ts";
import type { TriedDriver } from "./drivers.ts";
import { python, type Rig, startRig } from "./rig.ts";

const isRoot = process.getuid?.() === 0;

/** Tries all of the battery. What is not tried is told with its reason. */
export function tryToLeave({ name, missing, start, differences }: TriedDriver): void {
  const skip = missing() ?? (existsSync(python) ? false : `the attempts need ${python}`);
  describe(`nothing gets out of a sandbox of ${name}`, { skip }, () => {
    let started: StartedDriver;
    let unusable: string | null;
    let rig: Rig;
    before(async () => {
      started = await start();
      unusable = await reasonToSkip(started);
      if (unusable === null) rig = await startRig({ make: started.make });
    });
    after(async () => {
      await rig?.close();
      await started.close();
    });

    for (const group of battery) {
      test(`${group.name}: ${group.attempts.length} attempts`, async (t) => {
        if (unusable !== null) return t.skip(unusable);
        const enforced = await rig.driver.enforces();
        const has = ({ needs }: Attempt) =>
          needs === undefined || (needs === "root" ? isRoot : enforced[needs].scope === "sandbox");
        for (const { name, needs } of group.attempts.filter((each) => !has(each)))
          t.diagnostic(`not tried, for lack of ${needs}: ${name}`);
        const outcomes = (await rig.try(group.attempts.filter(has))).map(({ attempt, said }) =>
          outcomeOf({ ...attempt, holds: holdsOf(group.name, attempt) }, said),
        );
        const failed = outcomes.filter(({ was }) => was !== "held");
        assert.deepEqual(
          failed.map(({ attempt, said, was }) => `${was}: ${attempt.name}: ${said} (not ${attempt.holds})`),
          [],
        );
      });
    }
  });

  const holdsOf = (group: string, { name, holds }: Attempt) =>
    differences.find((each) => each.group === group && each.attempts.includes(name))?.holds ?? holds;

  test(`where ${name} differs there are such attempts`, () => {
    const known = new Set(
      battery.flatMap((group) => group.attempts.map((each) => `${group.name}: ${each.name}`)),
    );
    const named = differences.flatMap(({ group, attempts }) => attempts.map((each) => `${group}: ${each}`));
    assert.deepEqual(
      named.filter((each) => !known.has(each)),
      [],
    );
    assert.equal(new Set(named).size, named.length);
  });
}

async function reasonToSkip({ make }: StartedDriver): Promise<string | null> {
  const folder = testFolder();
  try {
    return await make(folder.path).check();
  } finally {
    folder.remove();
  }
}
