/**
 * Listens on the loopback of the network namespace that it was started in, hands what it listens with over to its
 * parent, and ends. Plain JavaScript: taking types away would take as long again as all that it does.
 */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";

const { tcp, udp } = JSON.parse(process.argv[2]);
const handOver = (message, handle) =>
  new Promise((resolve, reject) =>
    process.send(message, handle, (error) => (error ? reject(error) : resolve())),
  );

process.once("disconnect", () => process.exit(1));
for (const { role, host, port } of tcp) {
  const server = createServer().listen({ host, port, backlog: 511 });
  await once(server, "listening");
  await handOver({ role, pid: process.pid }, server);
}
const socket = createSocket("udp4");
socket.bind({ port: udp.port, address: udp.host, exclusive: true });
await once(socket, "listening");
await handOver({ role: "names", pid: process.pid }, socket);
process.exit(0);
