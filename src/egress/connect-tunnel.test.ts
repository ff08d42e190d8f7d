import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { test } from "node:test";
import { connect } from "node:tls";
import type { CarryLine } from "../net/egress-wire.ts";
import { openTls } from "./connect-tunnel.ts";
import type { WayOut } from "./way-out.ts";

test("what has said hello may be silent for as long as whoever goes on with it lets it", async () => {
  const server = createServer();
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  const program = connect({ host: "127.0.0.1", port, servername: "up.test" }).on("error", () => {});
  const [client] = (await once(server, "connection")) as [Socket];
  const seen: unknown[] = [];
  const interception = {
    open: async () => ({
      socket: client,
      intercept: async (socket: Socket) => void seen.push(socket.timeout, socket.listenerCount("timeout")),
    }),
  };
  await openTls({} as WayOut, interception, { as: "tls" } as CarryLine, client);
  assert.deepEqual(seen, [0, 0]);
  program.destroy();
  client.destroy();
  server.close();
});
