import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { driverSpec } from "../src/hands/driver.spec.ts";
import { gvisor } from "../src/hands/drivers/gvisor/gvisor.ts";
import { type StartedDriver, testDrivers } from "../src/hands/drivers/testing-drivers.ts";
import { ociArchive } from "../src/hands/images/archive/testing-archives.ts";
import { openImages } from "../src/hands/images/images.ts";
import { importImage } from "../src/hands/images/import.ts";
import { programsLayer } from "../src/hands/images/testing-image.ts";
import { host, skip, specOf } from "../src/hands/layers/testing-host.ts";
import { sh, testSpec } from "../src/hands/testing.ts";

// Bubblewrap's is among the short tests.
for (const { name, missing, start } of testDrivers.filter((each) => each.name !== "bubblewrap")) {
  describe(name, { skip: missing() ?? false }, () => {
    let started: StartedDriver;
    before(async () => {
      started = await start();
    });
    after(() => started.close());

    driverSpec((data_dir) => started.make(data_dir));
  });
}

const gvisorIs = testDrivers.find(({ name }) => name === "gvisor")?.missing() ?? skip;
test("gVisor has the packages of an environment, and images", { skip: gvisorIs }, async (t) => {
  const { prepare, registries, folder } = await host(t);
  registries.deb({ name: "drover-hi", version: "1", files: { "usr/bin/drover-hi": "#!/bin/sh\necho hi\n" } });
  const spec = specOf({ apt: ["drover-hi"] });
  await prepare(spec);
  const archive = join(folder.path, "archive.tar");
  writeFileSync(archive, ociArchive([programsLayer()]));
  const quiet = { progress: { begin() {}, passed() {} }, signal: t.signal };
  await importImage(openImages(folder.path), { name: "small", archive }, quiet);
  const driver = gvisor({ data_dir: folder.path });
  for (const [given, said] of [
    [spec, "hi\n1000"],
    [{ ...testSpec, image: "small" }, "1000"],
  ] as const) {
    const sandbox = await driver.provision("sbx_rooted", given);
    assert.equal(await sh(sandbox, "drover-hi 2>/dev/null; echo $UID"), said);
    assert.equal(
      await sh(sandbox, "for d in / /usr /usr/bin /etc; do : >$d/x && echo $d; done 2>/dev/null"),
      "",
    );
    await sandbox.destroy();
    await driver.forget("sbx_rooted");
  }
  await driver.close();
});
