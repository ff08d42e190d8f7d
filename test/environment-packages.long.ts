import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { isUsrMerged } from "../src/hands/drivers/root-filesystem.ts";
import { userNamespacesForbidden } from "../src/hands/drivers/testing-namespaces.ts";
import { fakeRegistries, type Registries } from "../src/hands/layers/testing-registries.ts";
import { startTestServer, type TestServer } from "./harness/server.ts";
import {
  type Facts,
  isIdle,
  isOf,
  newSession,
  prepare,
  resultsIn,
  setupsIn,
  setupTypesIn,
  turn,
} from "./harness/session.ts";

function withoutApt(): string | false {
  if (userNamespacesForbidden) return "needs user namespaces";
  const isDebian = ["/usr/bin/dpkg-deb", "/usr/bin/apt-get", "/var/lib/dpkg/status"].every(existsSync);
  return isDebian && isUsrMerged() ? false : "needs a Debian with /bin in /usr";
}

describe("the packages of an environment", { skip: withoutApt() }, () => {
  let folder: string;
  let registries: Registries;
  let api: TestServer;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "drover-setup-"));
    const egress_socket = join(folder, "egress.sock");
    registries = await fakeRegistries(egress_socket);
    const { host_etc, variables } = registries;
    api = await startTestServer({ registries: { egress_socket, installers: { host_etc, variables } } });
    registries.deb({
      name: "drover-hello",
      version: "1.2",
      files: { "usr/bin/drover-hello": "#!/bin/sh\necho hello\n" },
    });
  });
  after(async () => {
    await api.close();
    await registries.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function prepareWithApt(...apt: string[]): Promise<Facts> {
    const { agent_id } = await prepare(api.client);
    const environment = await api.client.beta.environments.create({
      name: "packages",
      config: { type: "cloud", packages: { type: "packages", apt } },
    });
    return { agent_id, environment_id: environment.id };
  }

  test("are installed for two sessions at once, and both tell of it", async () => {
    const facts = await prepareWithApt("drover-hello");
    const sessions = [await newSession(api.client, facts), await newSession(api.client, facts)];
    const turns = await Promise.all(
      sessions.map(({ id }) => turn(api.client, id, "bash drover-hello\nthen\nsay done")),
    );
    for (const events of turns) {
      assert.deepEqual(setupTypesIn(events), ["start", "end"]);
      assert.match(JSON.stringify(setupsIn(events)), /apt: /);
      assert.match(resultsIn(events)[0] ?? "", /^hello\n?$/);
    }
  });

  test("that do not exist fail the turn with the words of the package manager", async () => {
    const { id } = await newSession(api.client, await prepareWithApt("drover-hello", "drover-later"));
    const events = await turn(api.client, id, "bash drover-hello\nthen\nsay never said");
    assert.deepEqual(setupTypesIn(events), ["start", "end, failed"]);
    const error = events.find(isOf("session.error"))?.error;
    assert.match(
      error?.message ?? "",
      /^The environment could not be set up: apt could not install drover-hello, drover-later: .*Unable to locate package/s,
    );
    assert.equal(events.findLast(isIdle)?.stop_reason.type, "retries_exhausted");
  });
});
