import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { bubblewrap } from "../hands/drivers/bubblewrap.ts";
import { sh, testFolder, testSpec } from "../hands/testing.ts";
import type { SandboxSpec } from "../hands/wire.ts";
import { contentsIn } from "./contents.ts";
import type { Packing } from "./pack.ts";
import { packSandboxes } from "./sandbox-disks.ts";

test("of a sandbox with a disk its files are copied while it is mounted, and else the disk", async (t) => {
  const folder = testFolder();
  const hands = join(folder.path, "hands");
  mkdirSync(hands, { mode: 0o711 });
  let driver = bubblewrap({ data_dir: hands });
  try {
    const { disk_bytes } = await driver.enforces();
    if (disk_bytes.scope !== "sandbox") return t.skip(`this machine lacks ${disk_bytes.needs}`);
    const limits = { ...testSpec.limits, disk_bytes: 16 << 20 };
    const spec: SandboxSpec = { ...testSpec, limits, demanded: ["disk_bytes"] };
    const rests = await driver.provision("sbx_rests", spec);
    await sh(rests, "echo 1 >/workspace/a");
    await rests.destroy();
    await driver.close();
    driver = bubblewrap({ data_dir: hands });
    const lives = await driver.provision("sbx_lives", spec);
    await sh(lives, "echo 2 >/workspace/b; echo 3 >~/c");

    const packing: Packing = {
      contents: contentsIn(join(folder.path, "contents"), () => {}),
      entries: [],
      leftOut: [],
    };
    packSandboxes(packing, hands, (path) => /^sandboxes(?!.*\/pipes\/)/.test(path));
    await lives.destroy();
    const files = packing.entries.flatMap(({ type, path }) => (type === "file" ? [path] : [])).sort();
    assert.deepEqual(files, [
      "hands/sandboxes/sbx_lives/home/c",
      "hands/sandboxes/sbx_lives/workspace/b",
      "hands/sandboxes/sbx_rests/disk.img",
    ]);
    assert.deepEqual(packing.leftOut, []);
  } finally {
    await driver.close();
    folder.remove();
  }
});
