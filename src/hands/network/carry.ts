import type { Socket } from "node:net";
import { limits } from "../../limits.ts";
import type { CarryLine } from "../../net/egress-wire.ts";
import type { Egress } from "./egress.ts";
import type { Meter } from "./meter.ts";

/** Carries the connections that the programs of one sandbox make. */
export interface Carrier {
  accept(socket: Socket, as: CarryLine["as"]): void;
  /** Ends all of them. */
  close(): void;
}

export interface CarrierOptions {
  egress: Egress;
  meter: Meter;
  line: Pick<CarryLine, "session_id" | "sandbox_id" | "network" | "pass">;
}

/**
 * Bytes go both ways no faster than the slower side takes them, and whoever ends its side ends that of the other alone.
 * What a sandbox may not have is refused by egress, in the words of the protocol that is spoken; what goes even beyond
 * that is closed without a word, for it costs this process the least.
 */
export function createCarrier({ egress, meter, line }: CarrierOptions): Carrier {
  const closed = new AbortController();
  const open = new Set<Socket>();

  async function carry(program: Socket, as: CarryLine["as"]): Promise<void> {
    const gone = new AbortController();
    program.once("close", () => gone.abort());
    const refuse = meter.refusal(open.size);
    if (refuse === null) meter.count({ connections: 1 });
    const found = await egress.carry({ ...line, as, refuse }, gone.signal);
    if (gone.signal.aborted || closed.signal.aborted) return void found?.destroy();
    if (!found) return as === "tls" ? void program.destroy() : answerUnavailable(program);
    const way = found;
    join(program, way);
    if (refuse !== null) return;
    program.on("data", (chunk: Buffer) => used({ bytes_sent: chunk.length }));
    way.on("data", (chunk: Buffer) => used({ bytes_received: chunk.length }));

    function used(bytes: Parameters<Meter["count"]>[0]): void {
      meter.count(bytes);
      if (meter.isUsedUp()) for (const each of [program, way]) each.destroy();
    }
  }

  return {
    accept(program, as) {
      program.on("error", () => {});
      if (closed.signal.aborted || !meter.admits(open.size)) return void program.destroy();
      // Set by hand, for the listener was made elsewhere.
      program.allowHalfOpen = true;
      program.pause();
      open.add(program);
      program.once("close", () => open.delete(program));
      carry(program, as).catch(() => program.destroy());
    },
    close() {
      closed.abort();
      for (const program of open) program.destroy();
    },
  };
}

/** An end passes through to the other side; a break breaks the other. */
function join(program: Socket, way: Socket): void {
  program.pipe(way);
  way.pipe(program);
  program.once("error", () => way.destroy());
  way.once("error", () => program.resetAndDestroy());
  program.once("close", () => way.destroySoon());
  way.once("close", () => program.destroySoon());
}

const unavailable =
  "This sandbox reaches the network through the egress process of its host, which does not answer. Try again; if it goes on, the administrator of the server has to see that `drover egress` runs there.\n";

/** What the program still says is read, so that the answer is not lost with it. */
function answerUnavailable(program: Socket): void {
  program.setTimeout(limits.egress_goodbye_ms, () => program.destroy());
  program.resume();
  program.end(
    [
      "HTTP/1.1 503 Service Unavailable",
      "content-type: text/plain; charset=utf-8",
      `content-length: ${Buffer.byteLength(unavailable)}`,
      "connection: close",
      "",
      unavailable,
    ].join("\r\n"),
  );
}
