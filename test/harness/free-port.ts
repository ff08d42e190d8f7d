import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";

/**
 * Below those that systems give to whoever names none, so that no other socket gets it meanwhile. Each process takes them from
 * a block by its id, one after the other: what is free when it is looked at is not taken by a neighbour that looks then too.
 */
const ports = { first: 10_000, block: 100, blocks: 220 } as const;
const first = ports.first + (process.pid % ports.blocks) * ports.block;
let next = randomInt(ports.block);

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = first + (next++ % ports.block);
    const server = createServer().listen(port, "127.0.0.1");
    try {
      await once(server, "listening");
      server.close();
      await once(server, "close");
      return port;
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EADDRINUSE")) throw error;
    }
  }
}
