import assert from "node:assert/strict";
import { test } from "node:test";
import { skipCanary } from "./rig.ts";
import { runCanary } from "./run.ts";

test("no secret is anywhere but where it belongs, whatever an agent tries to find it", {
  skip: skipCanary,
}, async (t) => {
  const { found, blind, unused } = await runCanary();
  t.diagnostic("webhooks and traces do not exist yet, and were not looked at");
  assert.deepEqual(unused, []);
  assert.deepEqual(blind, []);
  assert.deepEqual(found, []);
});
