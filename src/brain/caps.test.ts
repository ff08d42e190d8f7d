import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { noCaps } from "../config.ts";
import { brokenCap } from "./caps.ts";

const spent = { day: "2026-11-21", agent: 4e9, agent_day: 1e9, workspace: 9e9, workspace_day: 2e9 };

describe("a cap", () => {
  for (const [name, at] of [
    ["per_agent", 4],
    ["per_agent_day", 1],
    ["per_workspace", 9],
    ["per_workspace_day", 2],
  ] as const) {
    test(`${name} is broken from what it says on`, () => {
      assert.match(
        brokenCap({ ...noCaps, [name]: at }, spent) ?? "",
        new RegExp(`DROVER_CAP_${name.toUpperCase()}\\.$`),
      );
      assert.equal(brokenCap({ ...noCaps, [name]: at + 0.01 }, spent), null);
    });
  }

  test("of nothing stops everything, and none stops nothing", () => {
    assert.ok(brokenCap({ ...noCaps, per_agent: 0 }, { ...spent, agent: 0 }));
    assert.equal(brokenCap(noCaps, { ...spent, workspace: 9e15 }), null);
  });
});
