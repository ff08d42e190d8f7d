import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { describe, test } from "node:test";
import { bubblewrap } from "../../src/hands/drivers/bubblewrap.ts";
import { findProgram } from "../../src/hands/drivers/bwrap.ts";
import { userNamespacesForbidden } from "../../src/hands/drivers/testing-namespaces.ts";
import { type Attempt, isProbe, type Outcome } from "./attempt.ts";
import { battery } from "./battery.ts";
import { ownUids } from "./drivers.ts";
import { python, startRig } from "./rig.ts";
import { heldOtherwise, type Weakening, weakenings } from "./weakenings.ts";

const skip =
  (process.getuid?.() !== 0 && "needs root, whose sandboxes have users of their own") ||
  (userNamespacesForbidden && "the walls are others there") ||
  (!findProgram("ip") && "needs the program `ip`") ||
  (!existsSync(python) && `the attempts need ${python}`);

/** Those that take long are tried where they are expected to get through. */
const isTried =
  ({ tries = [], leads_out }: Weakening) =>
  (group: string, attempt: Attempt) =>
    isProbe(attempt)
      ? !(leads_out && attempt.leaves) && (!attempt.alone || tries.includes(group))
      : tries.includes(group);

const fell = new Set<string>();

async function tryAll(weakening: Weakening, n: number): Promise<(Outcome & { group: string })[]> {
  const rig = await startRig({
    make: (data_dir) =>
      bubblewrap({ data_dir, uids: ownUids(n) }, (start) => weakening.weaken(start, data_dir)),
    ...(weakening.spec && { spec: weakening.spec }),
    ...(weakening.opened && { opened: weakening.opened }),
  });
  try {
    const groups = battery.flatMap(({ name, attempts }) =>
      attempts.filter((each) => isTried(weakening)(name, each)).map((attempt) => ({ name, attempt })),
    );
    const outcomes = await rig.try(groups.map(({ attempt }) => attempt));
    return outcomes.map((outcome, n) => ({ ...outcome, group: groups[n]?.name ?? "" }));
  } finally {
    await rig.close();
    weakening.clean?.();
  }
}

describe("a sandbox that lacks a wall does not pass", { skip, concurrency: 3 }, () => {
  for (const [n, weakening] of weakenings.entries()) {
    test(weakening.name, async () => {
      const escaped = (await tryAll(weakening, n + 1)).filter(({ was }) => was === "escaped");
      for (const { group, attempt } of escaped) fell.add(`${group}: ${attempt.name}`);
      assert.deepEqual([...new Set(escaped.map(({ group }) => group))].sort(), weakening.falls.toSorted());
    });
  }
});

test("each attempt gets through somewhere, or is known not to", { skip }, () => {
  const known = new Set(heldOtherwise.flatMap(({ what }) => what));
  const all = battery.flatMap(({ name, attempts }) =>
    known.has(name) ? [] : attempts.map((each) => `${name}: ${each.name}`),
  );
  assert.deepEqual(
    all.filter((each) => !fell.has(each) && !known.has(each)),
    [],
  );
});
