import assert from "node:assert/strict";
import { test } from "node:test";
import { assertUnharmedByKills } from "./harness/killed-workers.ts";

test("a minute of killed workers harms none of ten sessions, and no command runs twice", {
  timeout: 10 * 60_000,
}, async (context) => {
  const { kills, lost } = await assertUnharmedByKills({
    run_ms: 60_000,
    kill_every_ms: 3_000,
    sessions: 10,
    commands: 12,
  });
  context.diagnostic(`${kills} kills, ${lost} calls were lost`);
  assert.ok(kills > 10 && lost > 0);
});
