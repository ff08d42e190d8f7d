import type { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { type Identity, tlsOptions, wrongRole } from "../hands/identity.ts";
import { limits } from "../limits.ts";
import { type CarryLine, type EgressLine, type RefusedLine, refusedLine } from "../net/egress-wire.ts";
import { readLines } from "../net/lines.ts";
import { alertAndEnd, answerAndEnd } from "./answers.ts";
import { carryBothWays } from "./tunnel.ts";

export interface HandOnOptions {
  /** Of egress processes beside a serve, which are tried in turn. */
  upstream: readonly { host: string; port: number }[];
  identity: Identity;
  /** How long anybody waits for one that answers, in `ms`. */
  wait_ms?: number;
  onRefused(line: RefusedLine): void;
  /** Hears once of each time that one cannot be reached. */
  onTrouble(error: unknown): void;
}

/** The way out of sandboxes whose session has credentials, on a machine that may know none of them. */
export interface HandOn {
  /** Hands the connection on as it came. Where nobody takes it, the program is told so. */
  carry(line: CarryLine, program: Socket): Promise<void>;
  close(): void;
}

interface Place {
  name: string;
  host: string;
  port: number;
  /** Tells of what is refused there. It is there before anything is carried. */
  watch: Promise<Socket | null> | null;
  isTrouble: boolean;
}

export function createHandOn(options: HandOnOptions): HandOn {
  const { identity, wait_ms = limits.egress_upstream_wait_ms, onRefused, onTrouble } = options;
  const closed = new AbortController();
  const open = new Set<Socket>();
  /** The one that answered last is first. */
  const places: Place[] = options.upstream.map(({ host, port }) => ({
    ...{ host, port, name: `${host}:${port}` },
    ...{ watch: null, isTrouble: false },
  }));

  async function connected(place: Place, line: EgressLine): Promise<Socket | null> {
    try {
      const socket = await openTo(place, identity);
      place.isTrouble = false;
      if (closed.signal.aborted) socket.destroy();
      open.add(socket);
      socket.once("close", () => open.delete(socket));
      socket.write(`${JSON.stringify(line)}\n`);
      return socket;
    } catch (error) {
      if (!place.isTrouble) onTrouble(error);
      place.isTrouble = true;
      return null;
    }
  }

  function watching(place: Place): Promise<Socket | null> {
    place.watch ??= connected(place, { type: "watch" }).then((socket) => {
      if (!socket) {
        place.watch = null;
        return null;
      }
      readLines(socket, limits.egress_line_bytes_max, {
        line: (text) => hear(text, onRefused),
        tooLong: () => socket.destroy(),
      });
      socket.once("close", () => {
        place.watch = null;
      });
      return socket;
    });
    return place.watch;
  }

  async function taken(line: CarryLine, program: Socket): Promise<Socket | null> {
    const until = performance.now() + wait_ms;
    while (!program.destroyed && !closed.signal.aborted) {
      for (const place of [...places]) {
        const socket = (await watching(place)) && (await connected(place, line));
        if (!socket) continue;
        places.sort((a, b) => Number(b === place) - Number(a === place));
        return socket;
      }
      if (performance.now() >= until) return null;
      await delay(limits.egress_retry_ms, undefined, { signal: closed.signal }).catch(() => {});
    }
    return null;
  }

  return {
    async carry(line, program) {
      const socket = await taken(line, program);
      if (program.destroyed) return void socket?.destroy();
      if (socket) return carryBothWays(program, socket);
      if (line.as === "tls") alertAndEnd(program);
      else answerAndEnd(program, { status: 503, text: unreached });
    },
    close() {
      closed.abort();
      for (const socket of open) socket.destroy();
    },
  };
}

const unreached =
  "This session has credentials, so that its connections leave through an egress process beside the server, and none of those in DROVER_EGRESS_UPSTREAM answers. Try again; if it goes on, the administrator of this sandbox host has to see to it.";

/** The name in its certificate is judged by the default check, which comes before the one of the role. */
function openTo({ name, host, port }: Place, identity: Identity): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => {
      clearTimeout(late);
      socket.destroy();
      reject(new Error(`the egress process ${name} cannot be reached: ${error.message}`));
    };
    const late = setTimeout(
      () => fail(new Error(`no answer within ${limits.net_connect_ms} ms`)),
      limits.net_connect_ms,
    );
    const secure = { ...tlsOptions(identity), rejectUnauthorized: true, allowHalfOpen: true };
    const socket = connectTls({ host, port, ...secure }, () => {
      const wrong = wrongRole(socket.getPeerCertificate(), "egress");
      if (wrong !== null) return fail(new Error(wrong));
      clearTimeout(late);
      resolve(socket);
    });
    socket.setNoDelay(true);
    // Also those that come after it was opened: what they mean shows in its end.
    socket.on("error", fail);
  });
}

function hear(text: string, onRefused: (line: RefusedLine) => void): void {
  try {
    const parsed = refusedLine.safeParse(JSON.parse(text));
    if (parsed.success) onRefused(parsed.data);
  } catch {
    // What no egress of this version says.
  }
}
