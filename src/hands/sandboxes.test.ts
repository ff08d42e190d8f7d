import assert from "node:assert/strict";
import { after, test } from "node:test";
import { noCheckpoints } from "./checkpoints/checkpoints.ts";
import { bubblewrap } from "./drivers/bubblewrap.ts";
import { noNetwork } from "./network/network.ts";
import { noOutputs } from "./outputs/outputs.ts";
import { createSandboxes } from "./sandboxes.ts";
import { openSetup } from "./setup.ts";
import { nothingMounted, testFolder } from "./testing.ts";
import { exec, never, request } from "./testing-host.ts";

const folder = testFolder();
after(() => folder.remove());

function sandboxes(count_max: number, driver = bubblewrap({ data_dir: folder.path })) {
  const made = createSandboxes({
    driver,
    checkpoints: noCheckpoints,
    outputs: noOutputs,
    mounts: nothingMounted,
    network: noNetwork,
    setup: openSetup(folder.path),
    count_max,
    idle_ms: 60_000,
    idle_with_jobs_ms: 60_000,
  });
  const run = (name: string) => {
    const { sandbox_id: id, ...call } = request(name, exec("true"));
    return made.execute({
      ...call,
      id,
      signal: never,
      used_shell: false,
      started: async () => {},
    });
  };
  return { ...made, run };
}

test("of more who come at once than there is room for, as many as there is room for get it", async () => {
  const { run, close } = sandboxes(2);
  const results = await Promise.all(["a", "b", "c", "d"].map(run));
  assert.deepEqual(
    results.map(({ status }) => status),
    ["finished", "finished", "unavailable", "unavailable"],
  );
  // Those who found none take the place of the ones that are no longer used.
  assert.deepEqual(
    (await Promise.all(["c", "d"].map(run))).map(({ status }) => status),
    ["finished", "finished"],
  );
  await close();
});

test("a workspace is removed when its sandbox has ended, however many want it removed", async () => {
  const driver = bubblewrap({ data_dir: folder.path });
  const done: string[] = [];
  const { run, destroy, close } = sandboxes(1, {
    ...driver,
    async provision(id, spec) {
      const sandbox = await driver.provision(id, spec);
      return { ...sandbox, destroy: () => sandbox.destroy().then(() => void done.push("ended")) };
    },
    forget(id) {
      done.push("removed");
      return driver.forget(id);
    },
  });
  await run("once");
  const { sandbox_id, session_id } = request("once", exec("true"));
  const removal = { session_id, keep_workspace: false, keep_checkpoints: true };
  await Promise.all([destroy(sandbox_id, removal), destroy(sandbox_id, removal)]);
  assert.deepEqual(done, ["ended", "removed", "removed"]);
  await close();
});
