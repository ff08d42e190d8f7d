import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { limits } from "../../limits.ts";
import { type CarryLine, type EgressLine, type RefusedLine, refusedLine } from "../../net/egress-wire.ts";
import { readLines } from "../../net/lines.ts";
import { oneAtATime } from "../../net/pieces.ts";

/** The egress process of this machine, which may die and come back at any time. */
export interface Egress {
  /**
   * A connection on which `line` was said; null when egress could not be reached for as long as anyone waits. From before
   * it was made on, what is refused is told.
   */
  carry(line: Omit<CarryLine, "type">, signal: AbortSignal): Promise<Socket | null>;
  close(): void;
}

export interface EgressOptions {
  socket_path: string;
  onRefused(refused: RefusedLine): void;
  wait_ms?: number;
}

export function createEgress({
  socket_path,
  onRefused,
  wait_ms = limits.egress_wait_ms,
}: EgressOptions): Egress {
  const closed = new AbortController();
  let watch: Promise<Socket | null> | null = null;
  let watched: Socket | null = null;

  /** It stays, and is made anew when it ends: what is refused while nobody carries anything is told too. */
  function watching(): Promise<Socket | null> {
    watch ??= open(socket_path, { type: "watch" }).then((socket) => {
      if (!socket) {
        watch = null;
        return null;
      }
      watched = socket;
      if (closed.signal.aborted) socket.destroy();
      readLines(socket, limits.egress_line_bytes_max, {
        line: (text) => hear(text, onRefused),
        tooLong: () => socket.destroy(),
      });
      socket.once("close", () => {
        watch = null;
        watchAgain().catch(() => {});
      });
      return socket;
    });
    return watch;
  }

  async function watchAgain(): Promise<void> {
    while (!closed.signal.aborted && !(await watching()))
      await delay(limits.egress_retry_ms, undefined, { signal: closed.signal, ref: false });
  }

  return {
    async carry(line, signal) {
      const until = performance.now() + wait_ms;
      while (!signal.aborted && !closed.signal.aborted) {
        const socket = (await watching()) && (await open(socket_path, { type: "carry", ...line }));
        if (socket) return socket;
        if (performance.now() >= until) return null;
        await delay(Math.min(limits.egress_retry_ms, wait_ms));
      }
      return null;
    },
    close() {
      closed.abort();
      watched?.destroy();
    },
  };
}

/** Null when nobody listens there. */
function open(path: string, line: EgressLine): Promise<Socket | null> {
  return new Promise((resolve) => {
    const socket = connect({ path, allowHalfOpen: line.type === "carry", ...oneAtATime });
    const failed = () => resolve(null);
    socket.once("error", failed);
    socket.once("connect", () => {
      socket.off("error", failed);
      socket.on("error", () => {});
      socket.write(`${JSON.stringify(line)}\n`);
      resolve(socket);
    });
  });
}

function hear(text: string, onRefused: (refused: RefusedLine) => void): void {
  const parsed = refusedLine.safeParse(parseJson(text));
  if (parsed.success) onRefused(parsed.data);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
