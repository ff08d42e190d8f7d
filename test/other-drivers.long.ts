import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import { type StartedDriver, testDrivers } from "../src/hands/drivers/testing-drivers.ts";
import { startHands } from "../src/hands/host.ts";
import { connectHands } from "../src/hands/one-host.ts";
import { testFolder } from "../src/hands/testing.ts";
import { gone, never, processesIn, request, shell, textOf } from "../src/hands/testing-host.ts";
import type { NetworkUse } from "../src/protocol/network-use.ts";
import { freePort } from "./harness/free-port.ts";
import { type Processes, type Running, type Serve, startProcesses } from "./harness/processes.ts";
import { isOf, newSession, prepare, resultsIn, type StreamEvent, turn } from "./harness/session.ts";

/** Of the loopback, an address that is open to the egress process. */
const upstream = "127.0.0.3";

for (const { name, missing, start } of testDrivers.filter((each) => each.name !== "bubblewrap")) {
  describe(`a server whose sandboxes are made by ${name}`, { skip: missing() ?? false }, () => {
    let driver: StartedDriver;
    let parts: Processes;
    let hands: Running;
    let server: Serve;
    const web = createServer((_request, response) => response.end("from outside"));

    before(async () => {
      driver = await start();
      await once(web.listen(0, upstream), "listening");
      parts = await startProcesses({
        settings: { ...driver.settings, DROVER_ALLOW_PRIVATE_HOSTS: upstream },
      });
      await parts.egress();
      hands = await parts.hands();
      server = await parts.serve(await freePort());
    });
    after(async () => {
      // Which takes the disks of its sandboxes away.
      await hands?.stop();
      await parts?.close();
      await driver?.close();
      web.closeAllConnections();
      web.close();
    });

    /** A session whose environment says so of itself. */
    async function sessionWith(more: object): Promise<string> {
      const { client } = server;
      const { agent_id } = await prepare(client);
      const config = { type: "cloud" as const, ...more };
      const environment = await client.beta.environments.create({ name: "its own", config });
      return (await newSession(client, { agent_id, environment_id: environment.id })).id;
    }
    const run = async (id: string, command: string) =>
      resultsIn(await turn(server.client, id, `bash ${command}`))[0] ?? "";

    test("an agent works in one, with its tools", async () => {
      const id = await sessionWith({});
      assert.equal(await run(id, "echo one >made; echo $USER; cat made"), "agent\none");
      const said = async (text: string) => resultsIn(await turn(server.client, id, text))[0] ?? "";
      assert.match(await said('call read {"file_path":"made"}'), /one/);
      assert.match(await said('call glob {"pattern":"m*"}'), /^made$/m);
      assert.match(await said('call grep {"pattern":"one"}'), /made/);
      await said('call edit {"file_path":"made","old_string":"one","new_string":"two"}');
      assert.equal(await run(id, "cat made"), "two");
      await run(id, "sleep 1000 & echo $! >job; cd /tmp");
      assert.equal(await run(id, "kill -0 $(cat /workspace/job) && echo $PWD"), "/tmp");
    });

    test("its network leads where its environment allows, and says why it leads nowhere else", async () => {
      const networking = { type: "limited", allowed_hosts: [upstream] };
      const id = await sessionWith({ networking });
      const { port } = web.address() as AddressInfo;
      assert.equal(await run(id, `curl -sS http://${upstream}:${port}/`), "from outside");
      const events = await turn(server.client, id, "bash curl -sS http://other.test/");
      assert.match(resultsIn(events)[0] ?? "", /other\.test.*allowed_hosts/s);
      const [network] = events
        .filter(isOf("agent.tool_result"))
        .map((event: StreamEvent) => (event as { network?: NetworkUse }).network);
      assert.deepEqual(
        network?.refused.map(({ host, port }) => ({ host, port })),
        [{ host: "other.test", port: 80 }],
      );
    });

    test("it is held to what its environment says", async () => {
      const id = await sessionWith({ resources: { memory_mb: 256, disk_mb: 64, processes: 40 } });
      assert.match(
        await run(id, "head -c 100000000 /dev/zero >big; rm big; for n in {1..60}; do sleep 9 & done"),
        /No space left on device.*fork/s,
      );
    });

    test("a killed host leaves nothing of it behind, and the workspace comes back", async () => {
      const id = await sessionWith({});
      // One that holds the input of the first process open, where it can, so that its end is not heard of.
      const held =
        "[ ! -w /proc/1/fd/0 ] || exec 8<>/proc/1/fd/0; trap '' HUP TERM INT; echo kept >kept; exec sleep 1000";
      await run(id, `(${held}) >/dev/null 2>&1 & until [ -s kept ]; do sleep 0.05; done`);
      await hands.kill();
      hands = await parts.hands();
      const folder = { path: parts.handsFolder, remove() {} };
      await gone(id.replace("sesn_", "sbx_"), folder);
      assert.match(await run(id, "cat kept; pgrep -c sleep"), /^kept\n0\n.*started anew/);
    });
  });

  test(`${name}: an idle sandbox is ended, and its workspace comes back`, {
    skip: missing() ?? false,
  }, async () => {
    const driver = await start();
    const folder = testFolder();
    const socket_path = `${folder.path}/hands.sock`;
    const made = driver.make(folder.path);
    const host = await startHands({ socket_path, data_dir: folder.path, driver: made, idle_ms: 200 });
    const hands = connectHands({ socket_path });
    try {
      await hands.execute(request("idle", shell("echo kept >kept; export LOST=1")), never);
      await gone("sbx_idle", folder);
      assert.deepEqual(processesIn("sbx_idle", folder), []);
      const again = await hands.execute(request("idle", shell("cat kept; echo $LOST")), never);
      assert.equal(textOf(again), "kept\n\n");
    } finally {
      hands.close();
      await host.close();
      await driver.close();
      folder.remove();
    }
  });
}
