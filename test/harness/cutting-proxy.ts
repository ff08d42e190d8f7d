import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** The network between a client and a server, which loses answers after the server has done its work, or is off for a while. */
export interface CuttingProxy {
  url: string;
  /** The next answer does not arrive: its connection breaks instead. */
  cutNextAnswer(): void;
  /** How many answers were lost so far. */
  cuts(): number;
  /** What is open breaks, and nothing new opens, until `on`. */
  off(): void;
  on(): void;
  close(): Promise<void>;
}

export async function startCuttingProxy(target: string): Promise<CuttingProxy> {
  const { hostname, port } = new URL(target);
  const open = new Set<Socket>();
  let armed = false;
  let cuts = 0;
  let isOff = false;
  const breakAll = () => {
    for (const socket of open) socket.destroy();
  };
  const server = createServer((client) => {
    if (isOff) return client.destroy();
    const upstream = connect(Number(port), hostname);
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        open.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.pipe(upstream);
    upstream.on("data", (chunk) => {
      if (!armed) return client.write(chunk);
      armed = false;
      cuts += 1;
      client.destroy();
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cutNextAnswer() {
      armed = true;
    },
    cuts: () => cuts,
    off() {
      isOff = true;
      breakAll();
    },
    on() {
      isOff = false;
    },
    async close() {
      breakAll();
      server.close();
      await once(server, "close");
    },
  };
}
