import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { connectHost } from "./client.ts";

const facts = {
  ...{ type: "hello", n: 0, host_id: "host_x", instance_id: "x", driver: "none", sandboxes_max: 1 },
  ...{ sandboxes: 0, sandboxes_in_use: 0, checkpoints_failing: false },
};

test("a host that says who it is and then nothing of sense is tried again after pauses that grow", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "drover-client-"));
  const socket_path = join(folder, "hands.sock");
  const enough = Promise.withResolvers<void>();
  const connected: number[] = [];
  const impostor = createServer((socket) => {
    socket.on("error", () => {});
    if (connected.push(performance.now()) === 6) enough.resolve();
    socket.once("data", () => socket.write(`${JSON.stringify(facts)}\ngarbage\n`));
  });
  await new Promise<void>((resolve) => impostor.listen(socket_path, resolve));
  const host = connectHost({ socket_path });
  t.after(() => {
    host.close();
    impostor.close();
    rmSync(folder, { recursive: true });
  });
  await enough.promise;
  // 20, 40, 80, 160 and 320 ms, and timers are never early by more than a rounding.
  assert.ok((connected[5] ?? 0) - (connected[0] ?? 0) > 600);
});
