import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import type { Fault } from "./plan.ts";

/** One end of a connection: a port of the loopback, or the path of a unix socket. */
export type Address = { port: number } | { path: string };

/** Stands between two parts and carries their bytes, until it is told to carry them badly. */
export interface Link {
  /** Where the one part has to connect to reach the other. */
  address: Address;
  fail(fault: Fault): void;
  /** Connections that have lost bytes break now. */
  mend(): void;
  /** How many connections were broken so far. */
  broken(): number;
  close(): Promise<void>;
}

/** Of each chunk, while the fault is `delay`. */
const delay_ms = 150;

interface Pair {
  ends: [Socket, Socket];
  /** Bytes or an end have been kept from one side: nothing good can come of it any more. */
  harmed: boolean;
}

/** It takes more, or has ended. */
const drained = (socket: Socket) =>
  new Promise<void>((resolve) => {
    for (const event of ["drain", "close"] as const) socket.once(event, () => resolve());
  });

/** `listen` is the path of a unix socket; without it, a free port of the loopback is taken. */
export async function startLink(target: Address, listen?: string): Promise<Link> {
  const pairs = new Set<Pair>();
  let fault: Fault | null = null;
  let broken = 0;

  const breakPair = (pair: Pair) => {
    if (!pairs.delete(pair)) return;
    broken += 1;
    for (const end of pair.ends) end.destroy();
  };

  /** Carries what `from` says to `to`, chunk after chunk. */
  function carry(pair: Pair, from: Socket, to: Socket, isAnswer: boolean): void {
    let line = Promise.resolve();
    from.on("data", (chunk) => {
      if (fault === "half_open") {
        pair.harmed = true;
        return;
      }
      if (fault === "lose_answers" && isAnswer) return breakPair(pair);
      const wait_ms = fault === "delay" ? delay_ms : 0;
      from.pause();
      line = line.then(async () => {
        if (wait_ms > 0) await new Promise((resolve) => setTimeout(resolve, wait_ms));
        if (to.writable && !to.write(chunk)) await drained(to);
        from.resume();
      });
    });
    from.on("error", () => {});
    from.on("close", () => {
      // The other side hears nothing of it as long as no byte gets through.
      if (fault === "half_open") pair.harmed = true;
      else
        line.finally(() => {
          pairs.delete(pair);
          to.destroy();
        });
    });
  }

  const server = createServer((client) => {
    client.on("error", () => {});
    if (fault === "cut") {
      client.destroy();
      return;
    }
    const upstream = connect(target);
    const pair: Pair = { ends: [client, upstream], harmed: false };
    pairs.add(pair);
    carry(pair, client, upstream, false);
    carry(pair, upstream, client, true);
  });
  if (listen === undefined) server.listen(0, "127.0.0.1");
  else server.listen(listen);
  await once(server, "listening");

  return {
    address: listen === undefined ? { port: (server.address() as AddressInfo).port } : { path: listen },
    fail(next) {
      fault = next;
      if (fault === "cut") for (const pair of [...pairs]) breakPair(pair);
    },
    mend() {
      fault = null;
      for (const pair of [...pairs]) if (pair.harmed) breakPair(pair);
    },
    broken: () => broken,
    async close() {
      server.close();
      for (const pair of [...pairs]) breakPair(pair);
      await once(server, "close");
    },
  };
}
