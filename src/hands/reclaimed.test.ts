import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { bubblewrap } from "./drivers/bubblewrap.ts";
import { startHands } from "./host.ts";
import { tcpListeners } from "./network/inside.ts";
import { fakeEgress } from "./network/testing-egress.ts";
import { connectHands } from "./one-host.ts";
import { testFolder, testSpec } from "./testing.ts";
import { finished, never, request, shell } from "./testing-host.ts";
import { descendants, mountsBelow, openFiles } from "./testing-left.ts";
import type { SandboxSpec } from "./wire.ts";

const count = 6;
const name = `left${process.pid}`;
const listenersEach = tcpListeners.length + 1;
const withNetwork: SandboxSpec = { ...testSpec, network: { type: "unrestricted" } };

test("of sandboxes that nobody uses any more nothing is left", { timeout: 120_000 }, async (t) => {
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

  async function use(names: string[]): Promise<void> {
    const calls = names.map((each, i) =>
      hands.execute(request(each, shell("true"), { spec: i % 2 ? testSpec : withNetwork }), never),
    );
    for (const result of await Promise.all(calls)) assert.equal(finished(result).exit_code, 0);
  }

  await use([name]);
  // Those that prepare namespaces included, so that nothing of theirs is counted.
  while (descendants(process.pid).length > 0) await delay(20);
  const before = left();
  await use(Array.from({ length: count }, (_, n) => `${name}_${n}`));
  assert.ok(left().processes >= 3 * count, "they ran");
  // A connection that was just being closed may have been counted before, and another namespace may be prepared meanwhile.
  while (descendants(process.pid).length > 0 || left().sockets > before.sockets) await delay(20);
  assert.deepEqual({ ...left(), sockets: before.sockets }, before);
});
