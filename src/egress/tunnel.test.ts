import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { test } from "node:test";
import { connectTo } from "../net/connect.ts";
import { bind } from "./tunnel.ts";

/** The two ends of a connection. */
async function pair(): Promise<[Socket, Socket]> {
  const server = createServer({ allowHalfOpen: true });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const one = connect({ port: (server.address() as AddressInfo).port, allowHalfOpen: true });
  const [other] = (await once(server, "connection")) as [Socket];
  server.close();
  return [one, other];
}

test("what is on its way to one side gets there after the other one has closed", async () => {
  const [host, farHost] = await pair();
  const [program, farProgram] = await pair();
  bind(host, program);
  const bytes = Buffer.alloc(16 << 20);
  program.write(bytes);
  farHost.end();
  host.resume().end();
  farHost.resume();
  await once(host, "close");
  let heard = 0;
  farProgram.on("data", (chunk) => {
    heard += chunk.length;
  });
  farProgram.on("end", () => farProgram.end());
  await once(farProgram, "close");
  assert.equal(heard, bytes.length);
});

test("a side that breaks takes the other with it", async () => {
  const [host, farHost] = await pair();
  const [program, farProgram] = await pair();
  bind(host, program);
  farProgram.resume();
  program.resume();
  host.resume();
  farHost.resetAndDestroy();
  await once(program, "close");
  assert.ok(host.destroyed);
  farProgram.destroy();
});

test("a connection takes one piece at a time: where it counts bytes alone, each may be a piece", async () => {
  const server = createServer();
  await once(server.listen(0, "127.0.0.1"), "listening");
  const socket = await connectTo(["127.0.0.1"], (server.address() as AddressInfo).port);
  assert.deepEqual([socket.readableHighWaterMark, socket.writableHighWaterMark], [1, 1]);
  socket.destroy();
  server.close();
});
