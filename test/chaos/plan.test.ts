import assert from "node:assert/strict";
import { test } from "node:test";
import { type Act, planOf, type Targets } from "./plan.ts";

const targets: Targets = { serves: ["serve-1", "serve-2"], hands: ["hands-1"], links: ["client~serve-1"] };
const options = { run_ms: 600_000, lease_ms: 15_000, host_gone_ms: 6_000, host_silent_ms: 13_000 };

test("a seed gives one plan, and another seed another one", () => {
  assert.deepEqual(planOf(7, targets, options), planOf(7, targets, options));
  assert.notDeepEqual(planOf(7, targets, options), planOf(8, targets, options));
});

test("a long plan has acts of every kind, in their order, and all are undone before the end", () => {
  const plan = planOf(1, targets, options);
  assert.deepEqual(new Set(plan.map((act) => act.do)).size, 6);
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

test("a minute has hosts that are away, and links that are broken, for so long that others take over", () => {
  const links = ["serve-1~hands-1", "serve-2~postgres", "client~serve-1"];
  const times = { away: 0, frozen: 0, broken: 0 };
  for (let seed = 0; seed < 100; seed += 1) {
    const plan = planOf(seed, { ...targets, links }, { ...options, run_ms: 60_000 });
    const hosts = plan.filter((act) => "part" in act && act.part === "hands-1");
    const some = (test: (act: Act) => boolean) => (hosts.some(test) ? 1 : 0);
    times.away += some((act) => act.do === "kill" && act.for_ms > options.host_gone_ms);
    times.frozen += some((act) => act.do === "freeze" && act.for_ms > options.host_silent_ms);
    times.broken += plan.some((act) => act.do === "break" && act.for_ms > options.lease_ms) ? 1 : 0;
  }
  assert.ok(times.away > 80 && times.frozen > 60 && times.broken > 80, JSON.stringify(times));
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
