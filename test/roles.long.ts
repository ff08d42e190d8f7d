import assert from "node:assert/strict";
import { after, test } from "node:test";
import { freePort } from "./harness/free-port.ts";
import { startProcesses } from "./harness/processes.ts";
import { roll } from "./harness/rolling.ts";

const processes = await startProcesses();
after(() => processes.close());

test("servers with every role that are restarted one after the other hand their sessions over, and clients come back", async () => {
  await processes.hands();
  const ports = [await freePort(), await freePort()];
  const start = (n: number) => processes.serve(ports[n] ?? 0);
  const servers = [await start(0), await start(1)];
  await roll({
    db: processes.db,
    servers: servers.slice(),
    async restart(n) {
      assert.equal(await servers[n]?.stop(), 0);
      servers[n] = await start(n);
    },
  });
  for (const each of servers) await each.stop();
});
