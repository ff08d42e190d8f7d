import type { Socket } from "node:net";
import { limits } from "../limits.ts";
import { type EgressLine, egressLine } from "../net/egress-wire.ts";
import { createPieces } from "../net/pieces.ts";

/** What a connection begins with; all behind it stays on the socket. Null when it is no such line, or none comes. */
export function readFirstLine(socket: Socket): Promise<EgressLine | null> {
  const { promise, resolve } = Promise.withResolvers<EgressLine | null>();
  const begun = createPieces();
  const late = setTimeout(() => settle(null), limits.egress_line_ms);
  const settle = (line: EgressLine | null) => {
    clearTimeout(late);
    socket.off("data", onData).off("end", onEnd).off("close", onEnd);
    socket.pause();
    resolve(line);
  };
  const onData = (chunk: Buffer) => {
    const end = chunk.indexOf("\n");
    begun.add(end === -1 ? chunk : chunk.subarray(0, end));
    if (end !== -1) {
      settle(parse(begun.take().toString("utf8")));
      if (end + 1 < chunk.length) socket.unshift(chunk.subarray(end + 1));
    } else if (begun.bytes > limits.egress_line_bytes_max) settle(null);
  };
  const onEnd = () => settle(null);
  socket.on("data", onData).on("end", onEnd).on("close", onEnd);
  return promise;
}

function parse(text: string): EgressLine | null {
  try {
    return egressLine.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}
