import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A network between a browser and a server that somebody switches off and on: what is open breaks, and nothing new opens. */
export interface SwitchedProxy {
  url: string;
  off(): void;
  on(): void;
  close(): Promise<void>;
}

export async function startSwitchedProxy(target: string): Promise<SwitchedProxy> {
  const { hostname, port } = new URL(target);
  const open = new Set<Socket>();
  let isOff = false;
  const cut = () => {
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
    upstream.pipe(client);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    off() {
      isOff = true;
      cut();
    },
    on() {
      isOff = false;
    },
    async close() {
      cut();
      server.close();
      await once(server, "close");
    },
  };
}
