import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { bubblewrap } from "./drivers/bubblewrap.ts";
import { startHands } from "./host.ts";
import { tcpListeners } from "./network/inside.ts";
import { fakeEgress } from "./network/testing-egress.ts";
import { connectHands } from "./one-host.ts";
import { testFolder, testSpec } from "./testing.ts";
import { appears, finished, never, request, shell } from "./testing-host.ts";
import { descendants, mountsBelow, openFiles } from "./testing-left.ts";
import type { SandboxSpec } from "./wire.ts";

const count = 6;
const patience_ms = 150_000;
const name = `left${process.pid}`;
const listenersEach = tcpListeners.length + 1;
const withNetwork: SandboxSpec = { ...testSpec, network: { type: "unrestricted" } };

test("of sandboxes that nobody uses any more nothing is left", { timeout: 2 * patience_ms }, async (t) => {
  const folder = testFolder();
  const driver = bubblewrap({ data_dir: folder.path });
  const problem = await driver.check();
  if (problem !== null) return t.skip(problem);
  const egress = await fakeEgress(join(folder.path, "egress.sock"));
  const socket_path = join(folder.path, "hands.sock");
  const host = await startHands({ socket_path, data_dir: folder.path, driver, idle_ms: 1_000 });
  const hands = connectHands({ socket_path });
  t.after(async () => {
    hands.close();
    await host.close();
    await egress.close();
    folder.remove();
  });

  /** The namespaces that lie ready for sandboxes to come, and what listens in them, are no sandbox's. */
  function left() {
    const { net = 0, user = 0, socket = 0, ...files } = Object.fromEntries(openFiles(process.pid));
    return {
      processes: descendants(process.pid).length,
      mounts: mountsBelow(folder.path),
      // Those of others may go while it looks.
      cgroups: spawnSync("find", ["/sys/fs/cgroup", "-name", `sbx_${name}*`], { encoding: "utf8" }).stdout,
      sockets: socket - listenersEach * net,
      namespaces: process.getuid?.() === 0 ? user : user - net,
      files,
    };
  }

  /** What is left once nothing runs, as often as it takes to see the same twice. */
  async function settled() {
    for (;;) {
      await delay(100);
      if (descendants(process.pid).length > 0) continue;
      const last = left();
      await delay(100);
      if (isDeepStrictEqual(last, left())) return last;
    }
  }

  /** All of them run at one time, however slow the machine is; `meanwhile` is called then. */
  async function use(names: string[], meanwhile: () => void): Promise<void> {
    const calls = names.map((each, i) => {
      const operation = shell("touch here; until [ -e go ]; do sleep 0.1; done");
      const spec = i % 2 ? testSpec : withNetwork;
      return hands.execute(request(each, operation, { spec, timeout_ms: patience_ms }), never);
    });
    const workspaces = names.map((each) => join(folder.path, "sandboxes", `sbx_${each}`, "workspace"));
    for (const workspace of workspaces) await appears(join(workspace, "here"));
    meanwhile();
    for (const workspace of workspaces) writeFileSync(join(workspace, "go"), "");
    for (const result of await Promise.all(calls)) assert.equal(finished(result).exit_code, 0);
  }

  await use([name], () => {});
  // Those that prepare namespaces included, so that nothing of theirs is counted.
  const before = await settled();
  await use(
    Array.from({ length: count }, (_, n) => `${name}_${n}`),
    () => assert.ok(left().processes >= 3 * count, "they are not seen"),
  );
  // A connection that was just being closed may have been counted before, and another namespace may be prepared meanwhile.
  const isGone = (now: typeof before) =>
    now.sockets <= before.sockets && isDeepStrictEqual({ ...now, sockets: before.sockets }, before);
  const until = Date.now() + patience_ms / 2;
  let after = await settled();
  while (!isGone(after) && Date.now() < until) after = await settled();
  assert.deepEqual({ ...after, sockets: Math.max(after.sockets, before.sockets) }, before);
});
