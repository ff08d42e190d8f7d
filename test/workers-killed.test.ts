import assert from "node:assert/strict";
import { test } from "node:test";
import { assertUnharmedByKills } from "./harness/killed-workers.ts";

test("workers that are killed while they serve sessions harm none, and no command runs twice", async (context) => {
  const { kills, lost } = await assertUnharmedByKills({
    run_ms: 8_000,
    kill_every_ms: 2_000,
    sessions: 3,
    commands: 8,
  });
  context.diagnostic(`${kills} kills, ${lost} calls were lost`);
  assert.ok(lost > 0, "no worker died while it had a call");
});
