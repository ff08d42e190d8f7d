import { once } from "node:events";
import { connect, isIP, type Socket } from "node:net";
import { limits } from "../limits.ts";
import { oneAtATime } from "./pieces.ts";

/** To the first of these addresses that takes it, and to nothing that is resolved again. */
export async function connectTo(addresses: readonly string[], port: number): Promise<Socket> {
  const found = addresses.map((address) => ({ address, family: isIP(address) }));
  const socket = connect({
    // Never looked up: a name that nobody can have.
    host: "address.invalid",
    port,
    lookup: (_name, _options, done) => done(null, found),
    autoSelectFamily: true,
    allowHalfOpen: true,
    noDelay: true,
    ...oneAtATime,
    keepAlive: true,
    keepAliveInitialDelay: limits.net_keep_alive_ms,
  });
  // Whoever has it hears of its end as "close".
  socket.on("error", () => {});
  const late = setTimeout(
    () => socket.destroy(Object.assign(new Error("it did not answer in time"), { code: "ETIMEDOUT" })),
    limits.net_connect_ms,
  );
  try {
    await once(socket, "connect");
    return socket;
  } finally {
    clearTimeout(late);
  }
}
