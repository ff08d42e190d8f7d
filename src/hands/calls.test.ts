import assert from "node:assert/strict";
import { test } from "node:test";
import { createCalls } from "./calls.ts";
import { noCheckpoints } from "./checkpoints/checkpoints.ts";
import type { Journal } from "./journal.ts";
import { noNetwork } from "./network/network.ts";
import { noOutputs } from "./outputs/outputs.ts";
import { createSandboxes } from "./sandboxes.ts";
import { nothingMounted, testSpec } from "./testing.ts";
import type { HandsRequest } from "./wire.ts";

const full = Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });

const request: Extract<HandsRequest, { type: "execute" }> = {
  ...{ type: "execute", n: 1, session_id: "sesn_a", sandbox_id: "sbx_a", epoch: 1, call_id: "a" },
  ...{ spec: testSpec, operation: { type: "exec", argv: ["true"], stdin_base64: "" } },
  ...{ timeout_ms: 1_000, output_bytes: 1_000, keep_output_as: null },
  ...{ restore: false, mounts: 0, restore_known: null, if_never_seen: "run" },
};

/** What a call comes to on a full disk, by what of the journal still works. */
async function execute(working: Partial<Journal>, provision: () => Promise<never>) {
  const fails = () => Promise.reject(full);
  const journal: Journal = {
    epoch: () => 1,
    find: async () => ({ state: "never_seen" }),
    usedShell: () => false,
    ...{ raiseEpoch: fails, started: fails, finished: fails, clear: fails, close: fails },
    ...working,
  };
  const stage = () => assert.fail("nothing is restored");
  const unused = {
    check: fails,
    describe: fails,
    enforces: fails,
    forget: fails,
    keptFolders: () => null,
    mounts: () => "",
    hold: fails,
    prepare: async () => {},
    close: fails,
  };
  const driver = { name: "none", provision, stage, ...unused };
  const noSetup = { due() {}, run: async () => {}, forget() {} };
  const parts = {
    driver,
    checkpoints: noCheckpoints,
    outputs: noOutputs,
    network: noNetwork,
    setup: noSetup,
    mounts: nothingMounted,
  };
  const options = { ...parts, count_max: 1, idle_ms: 1_000, idle_with_jobs_ms: 1_000 };
  const calls = createCalls({
    journals: { use: (_session, work) => work(journal), close: fails },
    sandboxes: createSandboxes(options),
    checkpoints: noCheckpoints,
    mounts: nothingMounted,
  });
  const answer = await calls.handle(request, () => {});
  assert.equal(answer.type, "result");
  assert.match("reason" in answer.result ? answer.result.reason : "", /disk of the sandbox host is full/);
  return answer.result.status;
}

const provisionFails = () => Promise.reject(full);

/** Its processes cannot be started. */
const spawnFails = async (): Promise<never> => {
  const sandbox = { id: "sbx_a", ended: new Promise<void>(() => {}), spawn: provisionFails };
  return { ...sandbox, destroy: async () => {} } as never;
};

test("a host whose disk is full says that nothing ran, or that nobody knows how it ended", async () => {
  assert.equal(await execute({}, provisionFails), "unavailable");
  assert.equal(await execute({}, spawnFails), "unavailable");
  assert.equal(await execute({ epoch: () => 0 }, spawnFails), "unavailable");
  const works = async () => {};
  assert.equal(await execute({ started: works }, spawnFails), "lost");
  assert.equal(await execute({ started: works, finished: works }, spawnFails), "lost");
  const known: Partial<Journal> = { epoch: () => 0, find: async () => ({ state: "lost" }) };
  assert.equal(await execute(known, spawnFails), "lost");
  const unreadable: Partial<Journal> = { find: () => Promise.reject(full) };
  assert.equal(await execute(unreadable, spawnFails), "lost");
});
