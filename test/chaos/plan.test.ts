import assert from "node:assert/strict";
import { test } from "node:test";
import { type Act, planOf, type Targets } from "./plan.ts";

const targets: Targets = { serves: ["serve-1", "serve-2"], hands: ["hands-1"], links: ["client~serve-1"] };
const options = { run_ms: 600_000, lease_ms: 15_000 };

test("a seed gives one plan, and another seed another one", () => {
  assert.deepEqual(planOf(7, targets, options), planOf(7, targets, options));
  assert.notDeepEqual(planOf(7, targets, options), planOf(8, targets, options));
});

test("a long plan has acts of every kind, in their order, and all are undone before the end", () => {
  const plan = planOf(1, targets, options);
  assert.deepEqual(new Set(plan.map((act) => act.do)).size, 5);
  assert.deepEqual(
    plan.map(({ at_ms }) => at_ms),
    plan.map(({ at_ms }) => at_ms).toSorted((a, b) => a - b),
  );
  assert.ok(plan.every(({ at_ms, for_ms }) => at_ms + for_ms <= options.run_ms));
});

test("a frozen serve stands still for longer than its lease", () => {
  const frozen = planOf(1, targets, options).filter((act) => act.do === "freeze" && act.part !== "hands-1");
  assert.ok(frozen.length > 0);
  assert.ok(frozen.every(({ for_ms }) => for_ms > options.lease_ms));
});

test("nothing is harmed while it is still harmed", () => {
  const plan = planOf(3, targets, options);
  const ofPart = (part: string) => plan.filter((act: Act) => "part" in act && act.part === part);
  for (const part of [...targets.serves, ...targets.hands]) {
    const acts = ofPart(part);
    for (const [i, act] of acts.slice(1).entries()) {
      const before = acts[i];
      assert.ok(before && before.at_ms + before.for_ms <= act.at_ms);
    }
  }
});
