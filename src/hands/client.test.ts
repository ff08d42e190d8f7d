import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { anyChange, connectHost } from "./client.ts";

const facts = {
  ...{ type: "hello", n: 0, host_id: "host_x", instance_id: "x", driver: "none", sandboxes_max: 1 },
  ...{ sandboxes: 0, sandboxes_in_use: 0, checkpoints_failing: false },
};

interface Impostor {
  socket_path: string;
  close(): void;
}

/** Listens as a host does, and answers the `n`-th question of each connection, counted from 0, with these lines. */
async function listen(answer: (n: number) => string): Promise<Impostor> {
  const folder = mkdtempSync(join(tmpdir(), "drover-client-"));
  const socket_path = join(folder, "hands.sock");
  const server = createServer((socket) => {
    let n = 0;
    socket.on("error", () => {});
    socket.on("data", () => socket.write(answer(n++)));
  });
  await new Promise<void>((resolve) => server.listen(socket_path, resolve));
  return {
    socket_path,
    close() {
      server.close();
      rmSync(folder, { recursive: true });
    },
  };
}

const hello = (n: number) => `${JSON.stringify({ ...facts, n })}\n`;

test("a host that says who it is and then nothing of sense is tried again after pauses that grow", async (t) => {
  const enough = Promise.withResolvers<void>();
  const connected: number[] = [];
  const impostor = await listen((n) => {
    if (n === 0 && connected.push(performance.now()) === 6) enough.resolve();
    return `${hello(n)}garbage\n`;
  });
  const host = connectHost(impostor);
  t.after(() => {
    host.close();
    impostor.close();
  });
  await enough.promise;
  // 20, 40, 80, 160 and 320 ms, and timers are never early by more than a rounding.
  assert.ok((connected[5] ?? 0) - (connected[0] ?? 0) > 600);
});

test("nothing is asked over a connection that has broken, also before its end is told", async (t) => {
  const impostor = await listen((n) => (n === 0 ? hello(n) : `garbage\n${hello(n)}`));
  const host = connectHost(impostor);
  t.after(() => {
    host.close();
    impostor.close();
  });
  while (!host.isUp()) await anyChange([host], 1_000);
  // The garbage breaks the connection, and the answer behind it is still read.
  const answer = await host.ask({ type: "hello" }, "hello");
  const [isUp, asked] = [host.isUp(), await host.ask({ type: "hello" }, "hello")];
  assert.equal(typeof answer, "object");
  assert.deepEqual([isUp, asked], [false, "not_begun"]);
});
