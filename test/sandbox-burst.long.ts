import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { bubblewrap } from "../src/hands/drivers/bubblewrap.ts";
import { startHands } from "../src/hands/host.ts";
import { fakeEgress } from "../src/hands/network/testing-egress.ts";
import { connectHands } from "../src/hands/one-host.ts";
import { testFolder, testSpec } from "../src/hands/testing.ts";
import { never, request, shell, textOf } from "../src/hands/testing-host.ts";
import type { SandboxSpec } from "../src/hands/wire.ts";

const count = 100;

test("a hundred sandboxes come up at once, each with a network of its own", async (t) => {
  const folder = testFolder();
  const driver = bubblewrap({ data_dir: folder.path });
  const problem = await driver.check();
  if (problem !== null) return t.skip(problem);
  const egress = await fakeEgress(join(folder.path, "egress.sock"));
  const socket_path = join(folder.path, "hands.sock");
  const host = await startHands({ socket_path, data_dir: folder.path, driver, sandboxes_max: count });
  const hands = connectHands({ socket_path });
  t.after(async () => {
    hands.close();
    await host.close();
    await egress.close();
    folder.remove();
  });
  const spec: SandboxSpec = { ...testSpec, network: { type: "unrestricted" } };
  const names = Array.from({ length: count }, (_, n) => `burst${n}`);
  const command = (name: string) => shell(`curl -sS http://${name}.example/`);
  const results = await Promise.all(
    names.map((name) => hands.execute(request(name, command(name), { spec, timeout_ms: 120_000 }), never)),
  );
  assert.deepEqual(
    results.map(textOf),
    names.map((name) => `proxy GET http://${name}.example/ HTTP/1.1\n`),
  );
  assert.deepEqual(
    new Set(egress.carried.map(({ sandbox_id }) => sandbox_id)),
    new Set(names.map((name) => `sbx_${name}`)),
  );
});
