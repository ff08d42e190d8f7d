import assert from "node:assert/strict";
import { after, test } from "node:test";
import { bubblewrap } from "../src/hands/drivers/bubblewrap.ts";
import { testFolder } from "../src/hands/testing.ts";
import type { ResourceParams } from "../src/protocol/sandbox-resources.ts";
import { startTestServer } from "./harness/server.ts";
import { newSession, prepare, resultsIn, turn } from "./harness/session.ts";

/** What an environment says of its sandboxes' resources, seen by a client. */

const folder = testFolder();
const driver = bubblewrap({ data_dir: folder.path });
const enforcement = await driver.enforces();
await driver.close();
folder.remove();

const api = await startTestServer();
after(() => api.close());
const facts = await prepare(api.client);

/** What a command comes to in a session of an environment with those resources. */
async function run(resources: ResourceParams, command: string) {
  const config = Object.assign({ type: "cloud" as const }, { resources });
  const environment = await api.client.beta.environments.create({ name: "limited", config });
  const { id } = await newSession(api.client, { ...facts, environment_id: environment.id });
  const events = await turn(api.client, id, `bash ${command}`);
  return resultsIn(events).join("\n");
}

const cases = [
  {
    name: "disk_bytes",
    resources: { disk_mb: 32 },
    command: "for n in 1 2 3 4; do head -c 12000000 /dev/zero >/workspace/$n; done; ls /workspace | wc -l",
    says: /No space left on device/,
  },
  {
    name: "memory_bytes",
    resources: { memory_mb: 128 },
    command: "head -c 200000000 /dev/zero | tail -n 1 | wc -c; echo over",
    says: /^(?!.*200000000).*over/s,
  },
  {
    name: "processes",
    resources: { processes: 24 },
    command:
      "perl -e 'for (1..60) { my $pid = fork; defined $pid or die \"$!\\n\"; $pid or sleep 100 }'; pkill -x perl; echo over",
    says: /Resource temporarily unavailable.*over/s,
  },
  {
    name: "cpu",
    resources: { cpu: 0.2 },
    command:
      'bash -c \'TIMEFORMAT="%R %U"; time timeout 1 bash -c "while :; do :; done"\' 2>&1 | awk \'NF == 2 { print $2 < 0.5 * $1 ? "slowed" : "free" }\'',
    says: /slowed/,
  },
] as const;

for (const { name, resources, command, says } of cases) {
  test(`${Object.keys(resources)} of an environment holds, or its sandboxes say why not`, async () => {
    const enforced = enforcement[name];
    const said = await run(resources, command);
    assert.match(said, enforced.scope === "sandbox" ? says : /cannot be limited here, without/);
  });
}
