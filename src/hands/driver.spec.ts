import assert from "node:assert/strict";
import { after, before, describe } from "node:test";
import type { Driver, Sandbox } from "./driver.ts";
import { specifyCredentials } from "./driver-spec/credentials.spec.ts";
import type { Driven } from "./driver-spec/driven.ts";
import { specifyFolders } from "./driver-spec/folders.spec.ts";
import { specifyLimits } from "./driver-spec/limits.spec.ts";
import { specifyMounts } from "./driver-spec/mounts.spec.ts";
import { specifyNetwork } from "./driver-spec/network.spec.ts";
import { specifyProcesses } from "./driver-spec/processes.spec.ts";
import { type TestFolder, testFolder, testSpec } from "./testing.ts";

/** What every driver must do. */
export function driverSpec(make: (dataDir: string) => Driver): void {
  describe("a driver", () => {
    let folder: TestFolder;
    let driver: Driver;
    let sandbox: Sandbox;

    const driven: Driven = {
      get folder() {
        return folder;
      },
      get driver() {
        return driver;
      },
      get sandbox() {
        return sandbox;
      },
      async endsWithout(name) {
        const { [name]: enforced } = await driver.enforces();
        return enforced.scope === "sandbox" && enforced.ends === true;
      },
    };

    before(async () => {
      folder = testFolder();
      driver = make(folder.path);
      assert.equal(await driver.check(), null);
      sandbox = await driver.provision("sbx_spec", testSpec);
    });

    after(async () => {
      await sandbox.destroy();
      await driver.forget("sbx_spec");
      await driver.close();
      folder.remove();
    });

    specifyProcesses(driven);
    specifyFolders(driven);
    specifyMounts(driven);
    specifyNetwork(driven);
    specifyCredentials(driven);
    specifyLimits(driven);
  });
}
