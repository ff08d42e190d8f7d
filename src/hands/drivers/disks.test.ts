import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { Driver } from "../driver.ts";
import { startHands } from "../host.ts";
import { connectHands } from "../one-host.ts";
import { sh, type TestFolder, testFolder, testSpec } from "../testing.ts";
import { finished, never, request, shell, textOf } from "../testing-host.ts";
import type { SandboxSpec } from "../wire.ts";
import { bubblewrap } from "./bubblewrap.ts";
import { createDisks } from "./disks.ts";

const needs = await (async () => {
  const folder = testFolder();
  const disks = createDisks(folder.path, { possible: process.getuid?.() === 0 });
  const missing = await disks.missing();
  await disks.close();
  folder.remove();
  return missing;
})();

const sized = (mib: number): SandboxSpec => ({
  ...testSpec,
  limits: { ...testSpec.limits, disk_bytes: mib << 20 },
  demanded: ["disk_bytes"],
});
const spec = sized(48);
/** With as many files as their size is limited to. A little may be left, which the file system had set aside. */
const fill = "for n in 1 2 3 4; do head -c 14000000 /dev/zero >/workspace/full$n; done 2>&1";
const sizeOf = "df --output=size -m /workspace | tail -n 1";

describe("disks of sandboxes", { skip: needs !== null && `this machine lacks ${needs}` }, () => {
  let folder: TestFolder;
  const drivers: Driver[] = [];

  const mounted = (path = folder.path) =>
    readFileSync("/proc/self/mountinfo", "utf8")
      .split("\n")
      .flatMap((line) => line.split(" ")[4] ?? [])
      .filter((place) => place.startsWith(`${path}/`));
  const attached = () =>
    execFileSync("losetup", ["-l", "-n", "-O", "BACK-FILE"], { encoding: "utf8" })
      .split("\n")
      .filter((file) => file.startsWith(`${folder.path}/`));

  function driverIn(name: string): Driver {
    const driver = bubblewrap({ data_dir: join(folder.path, name) });
    drivers.push(driver);
    return driver;
  }

  before(() => {
    folder = testFolder();
  });
  afterEach(async () => {
    for (const driver of drivers.splice(0)) await driver.close();
    assert.deepEqual(mounted(), []);
    // The last to let go of one is a sandbox that ends.
    while (attached().length > 0) await delay(5);
  });
  after(() => folder.remove());

  test("what is missing for a moment is looked for again", async () => {
    const root = join(folder.path, "moment");
    mkdirSync(root);
    const disks = createDisks(root, { possible: true });
    writeFileSync(join(root, "prepared"), "in the way");
    assert.match((await disks.missing()) ?? "", /file systems in files/);
    rmSync(join(root, "prepared"));
    assert.equal(await disks.missing(), null);
    await disks.close();
  });

  test("a full one harms no other, keeps its files, and goes with its sandbox", async () => {
    const driver = driverIn("full");
    const [a, b] = await Promise.all([driver.provision("sbx_a", spec), driver.provision("sbx_b", spec)]);
    const said = await sh(a, `echo kept >/workspace/kept; echo home >~/home; ${fill}`);
    assert.match(said, /No space left on device/);
    assert.equal(await sh(b, "echo x >/workspace/x; cat /workspace/x"), "x");
    await a.destroy();
    const again = await driver.provision("sbx_a", spec);
    assert.equal(await sh(again, "cat /workspace/kept ~/home"), "kept\nhome");
    assert.equal(await sh(again, "rm /workspace/full*; echo x >/workspace/x; cat /workspace/x"), "x");
    await again.destroy();
    await driver.forget("sbx_a");
    assert.equal(existsSync(join(folder.path, "full/sandboxes/sbx_a")), false);
    await b.destroy();
    await driver.close();
    assert.deepEqual(mounted(), []);
    assert.equal(driver.keptFolders("sbx_b")?.length, 4);
    const restarted = driverIn("full");
    const c = await restarted.provision("sbx_b", spec);
    assert.equal(await sh(c, "cat /workspace/x"), "x");
    await c.destroy();
  });

  test("it has no setuid programs and no devices", async () => {
    const sandbox = await driverIn("flags").provision("sbx_flags", spec);
    const flags = await sh(sandbox, "grep ' /workspace ' /proc/self/mountinfo | cut -d' ' -f6");
    assert.match(flags, /nosuid,nodev/);
    await sandbox.destroy();
  });

  test("its size follows the environment, and one that its files do not fit on is refused", async () => {
    const driver = driverIn("sizes");
    const sizes: number[] = [];
    for (const mib of [64, 128, 64]) {
      const sandbox = await driver.provision("sbx_sizes", sized(mib));
      sizes.push(Number(await sh(sandbox, sizeOf)));
      await sh(
        sandbox,
        "head -c 16000000 /dev/urandom >/workspace/a; head -c 16000000 /dev/urandom >/workspace/b",
      );
      await sandbox.destroy();
    }
    const [first = 0, second = 0, third = 0] = sizes;
    assert.ok(first < 64 && second > 100 && second < 128 && third < 64, `${sizes}`);
    await assert.rejects(driver.provision("sbx_sizes", sized(20)), { name: "Unavailable", message: /disk/ });
    const still = await driver.provision("sbx_sizes", sized(64));
    assert.equal(await sh(still, "stat -c %s /workspace/b"), "16000000");
    await still.destroy();
  });

  test("a workspace that was made without one moves to one", async () => {
    const driver = driverIn("moves");
    const plain = await driver.provision("sbx_moves", testSpec);
    await sh(
      plain,
      "echo 1 >/workspace/a; echo 2 >~/b; echo 3 >/mnt/session/outputs/c; chmod 700 /workspace/a",
    );
    await plain.destroy();
    const onDisk = await driver.provision("sbx_moves", spec);
    assert.equal(
      await sh(onDisk, "cat /workspace/a ~/b /mnt/session/outputs/c; stat -c '%a %U' /workspace/a"),
      "1\n2\n3\n700 agent",
    );
    assert.ok(Number(await sh(onDisk, sizeOf)) < 48);
    await onDisk.destroy();
  });

  test("what a killed host has left is taken over, or removed", async () => {
    const data_dir = join(folder.path, "killed");
    const url = (name: string) => JSON.stringify(import.meta.resolve(name));
    const script = `import { bubblewrap } from ${url("./bubblewrap.ts")};
      import { sh } from ${url("../testing.ts")};
      const driver = bubblewrap({ data_dir: ${JSON.stringify(data_dir)} });
      const sandbox = await driver.provision("sbx_killed", ${JSON.stringify(spec)});
      await sh(sandbox, "echo before >/workspace/a; sync");
      console.log("up");`;
    const args = ["--input-type=module-typescript", "-e", script];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    await once(child.stdout, "data");
    child.kill("SIGKILL");
    await once(child, "exit");
    assert.ok(mounted(data_dir).length > 0);
    const driver = driverIn("killed");
    const sandbox = await driver.provision("sbx_killed", spec);
    assert.equal(await sh(sandbox, "cat /workspace/a"), "before");
    assert.equal(attached().filter((file) => file.includes("sbx_killed")).length, 1);
    await sandbox.destroy();
  });

  test("one as a power cut leaves it can be used", async () => {
    const driver = driverIn("power");
    const sandbox = await driver.provision("sbx_power", spec);
    await sh(sandbox, "echo safe >/workspace/a; sync; for i in $(seq 100); do echo $i >/workspace/n$i; done");
    const cut = join(folder.path, "power/sandboxes/sbx_cut");
    mkdirSync(join(cut, "disk"), { recursive: true });
    copyFileSync(join(folder.path, "power/sandboxes/sbx_power/disk.img"), join(cut, "disk.img"));
    const after = await driver.provision("sbx_cut", spec);
    assert.equal(
      await sh(after, "cat /workspace/a; echo written >/workspace/b; cat /workspace/b"),
      "safe\nwritten",
    );
    await after.destroy();
    await sandbox.destroy();
  });

  test("a full one is kept, and comes back on another host with its limit", async () => {
    const storage = join(folder.path, "storage");
    const kept = Promise.withResolvers<void>();
    const hostIn = async (name: string) => {
      const data_dir = join(folder.path, name);
      const socket_path = join(folder.path, `${name}.sock`);
      mkdirSync(data_dir);
      const checkpoints = { storage, after_ms: 10, onKept: () => kept.resolve() };
      const host = await startHands({ data_dir, socket_path, driver: bubblewrap({ data_dir }), checkpoints });
      return { host, client: connectHands({ socket_path }) };
    };
    const a = await hostIn("a");
    const filling = `echo 1 >/workspace/a; ${fill}`;
    const first = await a.client.execute(request("disk", shell(filling), { spec }), never);
    assert.match(textOf(first), /No space left on device/);
    await kept.promise;
    a.client.close();
    await a.host.close();
    assert.deepEqual(mounted(), []);
    const b = await hostIn("b");
    const look = `cat /workspace/a; ${sizeOf}; ls /workspace | wc -l`;
    const back = await b.client.execute(request("disk", shell(look), { spec, restore: true }), never);
    assert.equal(finished(back).restored?.missing_count, 0, JSON.stringify(finished(back).restored));
    const [one, size] = textOf(back).split("\n");
    assert.equal(one, "1");
    assert.ok(Number(size) < 48);
    b.client.close();
    await b.host.close();
  });
});
