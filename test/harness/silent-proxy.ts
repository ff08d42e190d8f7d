import { once } from "node:events";
import { type AddressInfo, connect, createServer, type NetConnectOpts, type Socket } from "node:net";

/** Stands before a server. A connection that it silences stays open on both sides, and nothing passes any more. */
export interface SilentProxy {
  port: number;
  /** Silences the open connections whose client has ever sent this; says how many. */
  silence(sent: string): number;
  close(): Promise<void>;
}

export async function startSilentProxy(target: NetConnectOpts): Promise<SilentProxy> {
  const open = new Set<{ client: Socket; upstream: Socket; sent: string; silent: boolean }>();
  const server = createServer((client) => {
    const upstream = connect(target);
    const connection = { client, upstream, sent: "", silent: false };
    open.add(connection);
    client.on("data", (chunk) => {
      connection.sent += chunk.toString("latin1");
      if (!connection.silent) upstream.write(chunk);
    });
    upstream.on("data", (chunk) => {
      if (!connection.silent) client.write(chunk);
    });
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      from.on("error", () => {});
      from.on("close", () => {
        if (connection.silent) return;
        open.delete(connection);
        to.destroy();
      });
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    silence(sent) {
      const found = [...open].filter((connection) => !connection.silent && connection.sent.includes(sent));
      for (const connection of found) connection.silent = true;
      return found.length;
    },
    async close() {
      for (const { client, upstream } of open) {
        client.destroy();
        upstream.destroy();
      }
      server.close();
      await once(server, "close");
    },
  };
}
