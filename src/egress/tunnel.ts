import type { Socket } from "node:net";
import { limits } from "../limits.ts";
import { createPieces } from "../net/pieces.ts";
import { type Opening, readOpening } from "./client-hello.ts";

/** Carries bytes both ways, each no faster than the other side takes them, and the end of each way by itself. */
export function carryBothWays(a: Socket, b: Socket): void {
  bind(a, b);
  a.pipe(b);
  b.pipe(a);
}

/**
 * Two sockets that end together: when one is gone, and when nothing has come or gone for too long. Until the returned function
 * is called.
 */
export function bind(a: Socket, b: Socket): () => void {
  const unbinds = [follow(a, b), follow(b, a)];
  return () => {
    for (const unbind of unbinds) unbind();
  };
}

function follow(one: Socket, other: Socket): () => void {
  // What it had still said is on its way to the other side.
  const onClose = () => (one.readableEnded ? other.destroySoon() : other.destroy());
  const onTimeout = () => one.destroy();
  one.on("error", () => {});
  one.on("close", onClose);
  one.setTimeout(limits.egress_idle_ms, onTimeout);
  if (one.destroyed) other.destroy();
  return () => {
    one.off("close", onClose).off("timeout", onTimeout).setTimeout(0);
  };
}

/** What the first bytes are, which stay on the socket. Null when it is gone before it has said enough. */
export function hearOpening(socket: Socket): Promise<Opening | null> {
  const { promise, resolve } = Promise.withResolvers<Opening | null>();
  const heard = createPieces();
  let needs = 1;
  let late: NodeJS.Timeout | undefined;
  const settle = (opening: Opening | null) => {
    clearTimeout(late);
    socket.off("data", onData).off("end", onEnd).off("close", onClose);
    socket.pause();
    resolve(opening);
  };
  const onData = (chunk: Buffer) => {
    late ??= setTimeout(() => settle({ kind: "broken" }), limits.egress_hello_ms);
    heard.add(chunk);
    // Whoever sends byte by byte does not make it read all of them each time.
    if (heard.bytes < needs) return;
    const all = heard.take();
    const opening = readOpening(all, limits.egress_hello_bytes_max);
    if (opening.kind === "undecided") {
      needs = opening.needs;
      heard.add(all);
      return;
    }
    settle(opening);
    socket.unshift(all);
  };
  const onEnd = () => settle({ kind: heard.bytes === 0 ? "not_tls" : "broken" });
  const onClose = () => settle(null);
  socket.on("data", onData).on("end", onEnd).on("close", onClose).resume();
  return promise;
}
