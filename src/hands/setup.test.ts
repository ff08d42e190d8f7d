import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { noCheckpoints } from "./checkpoints/checkpoints.ts";
import type { SetupLine } from "./driver.ts";
import { bubblewrap } from "./drivers/bubblewrap.ts";
import { noNetwork } from "./network/network.ts";
import { noOutputs } from "./outputs/outputs.ts";
import { createSandboxes } from "./sandboxes.ts";
import { openSetup } from "./setup.ts";
import { nothingMounted, testFolder, testSpec } from "./testing.ts";
import { exec, never, request, shell, textOf } from "./testing-host.ts";
import type { ExecuteResult, Restored } from "./wire.ts";

const folder = testFolder();
after(() => folder.remove());
const driver = bubblewrap({ data_dir: folder.path });

/** A host; another one with the same folder is the same host after a restart. */
function host({ ms_max, restored }: { ms_max?: number; restored?: Restored } = {}) {
  const made = createSandboxes({
    driver,
    checkpoints: { ...noCheckpoints, report: () => restored ?? null },
    outputs: noOutputs,
    mounts: nothingMounted,
    network: noNetwork,
    setup: openSetup(folder.path, ms_max),
    count_max: 4,
    idle_ms: 60_000,
    idle_with_jobs_ms: 60_000,
  });
  const originOf = (name: string, setup: string[]) => {
    const { sandbox_id: id, ...origin } = request(name, exec("true"));
    return { id, ...origin, spec: { ...testSpec, setup } };
  };
  return {
    ...made,
    run(name: string, setup: string[], command: string, signal = never): Promise<ExecuteResult> {
      const call = { ...originOf(name, setup), operation: shell(command), signal };
      return made.execute({ ...call, used_shell: false, started: async () => {} });
    },
    async setUp(name: string, setup: string[], said: SetupLine[] = []) {
      const { id, ...origin } = originOf(name, setup);
      await made.setUp(id, origin, (line) => said.push(line));
    },
  };
}

const remove = { keep_workspace: false, keep_checkpoints: true };

test("setup commands run once in a new workspace, in order, before all else", async () => {
  const setup = ["echo 1 >>log; cd /tmp; export A=b", 'echo "2 $PWD $HOME $A" >>log'];
  const first = host();
  assert.equal(textOf(await first.run("once", setup, "cat log")), "1\n2 /workspace /home/agent \n");
  await first.close();
  const second = host();
  assert.equal(textOf(await second.run("once", setup, "cat log | wc -l")), "2\n");
  await second.destroy("sbx_once", { ...remove, session_id: "sesn_once" });
  assert.equal(textOf(await second.run("once", setup, "cat log | wc -l")), "2\n");
  await second.close();
  assert.deepEqual(readdirSync(join(folder.path, "setup")), []);
});

test("a command that fails says why, and is where the next try begins", async () => {
  const setup = [
    "echo 1 >>log",
    "echo 2 >>log; printf 'a\\rb\\033[31mred\\033[0m\\n'; echo why >&2; test -e ready",
    "echo 3 >>log",
  ];
  const first = host();
  const failed = await first.run("fails", setup, "cat log");
  assert.equal(failed.status, "unavailable");
  assert.match(
    "reason" in failed ? failed.reason : "",
    /^the setup command .* failed with exit code 1: a\nbred\nwhy$/,
  );
  await assert.rejects(first.setUp("fails", setup), { stage: { type: "setup", command: setup[1] } });
  await first.close();
  const workspace = join(folder.path, "sandboxes", "sbx_fails", "workspace");
  assert.equal(readFileSync(join(workspace, "log"), "utf8"), "1\n2\n2\n");
  const second = host();
  const changed = ["true", setup[1]?.replace("test -e ready", "true") ?? ""];
  // What the workspace is to be set up by was settled when it began.
  assert.equal((await second.run("fails", changed, "true")).status, "unavailable");
  await second.close();
});

test("what is said meanwhile can be heard", async () => {
  const { setUp, close } = host();
  const said: SetupLine[] = [];
  await setUp("heard", ["echo one; echo two >&2; sleep 0"], said);
  assert.deepEqual(said.map(({ line }) => line).sort(), ["one", "two"]);
  assert.deepEqual(said[0]?.stage, { type: "setup", command: "echo one; echo two >&2; sleep 0" });
  await close();
});

test("a command that takes too long is ended, and so is one that nobody waits for", async () => {
  const late = host({ ms_max: 50 });
  const result = await late.run("late", ["sleep 1000"], "true");
  assert.match("reason" in result ? result.reason : "", /took more than 0.05 s/);
  await late.close();
  const { run, destroy, close } = host();
  const waiting = run("left", ["touch begun; sleep 1000"], "true");
  const begun = join(folder.path, "sandboxes", "sbx_left", "workspace", "begun");
  while (!existsSync(begun)) await new Promise((resolve) => setTimeout(resolve, 5));
  await destroy("sbx_left", { ...remove, session_id: "sesn_left" });
  assert.equal((await waiting).status, "unavailable");
  const stop = new AbortController();
  const cancelled = run("left", ["touch begun; sleep 1000"], "true", stop.signal);
  while (!existsSync(begun)) await new Promise((resolve) => setTimeout(resolve, 5));
  stop.abort();
  assert.equal((await cancelled).status, "finished");
  await close();
});

test("a workspace that was brought back is not set up again", async () => {
  const checkpoint = {
    sandbox_id: "sbx_a",
    n: 1,
    after_calls: [],
    in_use: false,
    made_at: "",
    files: 1,
    bytes: 1,
  };
  const restored = { id: "1", checkpoint, missing: [], missing_count: 0, skipped: 0, untold: [] };
  const back = host({ restored });
  assert.equal(textOf(await back.run("back", ["touch setup"], "ls")), "");
  await back.close();
  const empty = host({ restored: { ...restored, checkpoint: null } });
  assert.equal(textOf(await empty.run("empty", ["touch setup"], "ls")), "setup\n");
  await empty.close();
});
