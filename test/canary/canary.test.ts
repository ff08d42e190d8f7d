import assert from "node:assert/strict";
import { test } from "node:test";
import { attempts } from "./attempts.ts";
import { skipCanary } from "./rig.ts";
import { runCanary } from "./run.ts";

/** The others run with the long tests. */
const core = [
  ...["environment", "files", "proc", "memory", "mnt", "git configuration and packs", "another host"],
  ...["echo plain", "echo base64", "echo header", "echo gzip", "echo location", "sockets of the host"],
];

test("no secret is anywhere but where it belongs, however an agent looks for it", {
  skip: skipCanary,
}, async (t) => {
  const known = attempts.map(({ name }) => name);
  assert.deepEqual(
    core.filter((name) => !known.includes(name)),
    [],
  );
  const { found, blind, unused } = await runCanary({ isTried: (name) => core.includes(name) });
  t.diagnostic("webhooks and traces do not exist yet, and were not looked at");
  assert.deepEqual(unused, []);
  assert.deepEqual(blind, []);
  assert.deepEqual(found, []);
});
