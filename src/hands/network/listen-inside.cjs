/**
 * Listens on the loopback of the network namespace that it was started in, hands what it listens with over to its
 * parent, and ends. Plain JavaScript that is loaded at once: what it needs is little more than Node's own start.
 */
const { createSocket } = require("node:dgram");
const { createServer } = require("node:net");

const { tcp, udp, ms_max } = JSON.parse(process.argv[2]);
let left = tcp.length + 1;

function handOver(role, handle) {
  process.send({ role, pid: process.pid }, handle, (error) => {
    if (error) throw error;
    left -= 1;
    if (left === 0) process.exit(0);
  });
}

process.once("disconnect", () => process.exit(1));
// A parent that dies while a handle is under way to it is not always noticed.
setTimeout(() => process.exit(1), ms_max);
for (const { role, host, port } of tcp) {
  const server = createServer().listen({ host, port, backlog: 511 }, () => handOver(role, server));
}
const names = createSocket("udp4");
names.bind({ port: udp.port, address: udp.host, exclusive: true }, () => handOver("names", names));
