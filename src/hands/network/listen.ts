import type { Server, Socket } from "node:net";
import { limits } from "../../limits.ts";
import type { Carrier } from "./carry.ts";
import { answerName, answerNames } from "./dns.ts";
import { createRate } from "./rate.ts";
import type { Slot } from "./slot.ts";

/**
 * Answers what a sandbox asks of its loopback. Programs that ask faster than any program needs are not answered, which
 * keeps this process free for the other sandboxes.
 */
export function listen(slot: Slot, carrier: Carrier): void {
  const rate = createRate(limits.network_requests_per_second_max);

  function serve(server: Server, accept: (socket: Socket) => void): void {
    server.on("connection", (socket) => {
      if (rate.take()) accept(socket);
      else socket.destroy();
    });
  }

  for (const { role, server } of slot.listeners) {
    if (role === "dns") server.maxConnections = limits.network_name_connections_max;
    serve(server, role === "dns" ? answerNames : (socket) => carrier.accept(socket, role));
  }
  slot.names.on("message", (message, { address, port }) => {
    const answer = rate.take() ? answerName(message) : null;
    if (answer) slot.names.send(answer, port, address);
  });
}
