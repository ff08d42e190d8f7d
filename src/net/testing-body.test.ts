import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { test } from "node:test";
import { bodyOf } from "./testing-body.ts";

test("a request is had whole; one whose client leaves in the middle of it is none, and fails nothing", async () => {
  const bodies: (string | undefined)[] = [];
  const server = createServer(async (request, response) => {
    request.once("data", () => socket.resetAndDestroy());
    bodies.push((await bodyOf(request))?.toString());
    response.end();
    server.emit("had");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const socket = connect(port, "127.0.0.1");
  socket.write("POST / HTTP/1.1\r\nhost: here\r\ncontent-length: 10\r\n\r\nhalf");
  await once(server, "had");
  await fetch(`http://127.0.0.1:${port}`, { method: "POST", body: "whole" });
  assert.deepEqual(bodies, [undefined, "whole"]);
  server.closeAllConnections();
  server.close();
});
