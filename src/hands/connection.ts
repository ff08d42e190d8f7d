import { connect as connectLocally, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { limits } from "../limits.ts";
import { readLines } from "../net/lines.ts";
import { type Identity, tlsOptions, wrongRole } from "./identity.ts";
import { type HandsRequest, type HandsResponse, handsResponse, type OutputsOf } from "./wire.ts";

export type Unsent<T> = T extends { n: number } ? Omit<T, "n"> : never;

/** Where a host listens. */
export type HostAddress = { socket_path: string } | { host: string; port: number; identity: Identity };

export const nameOf = (address: HostAddress): string =>
  "socket_path" in address ? address.socket_path : `${address.host}:${address.port}`;

/** One connection to a host: questions and their answers, told apart by `n`. */
export interface Connection {
  /** Null when the connection ended first. */
  ask(request: Unsent<HandsRequest>, onProgress?: (text: string) => void): Promise<HandsResponse | null>;
  /** False from the moment that it breaks or is ended; `ended` is told later. */
  isOpen(): boolean;
  end(): void;
}

export interface ConnectionEvents {
  /** Something came, whatever it was. */
  heard(): void;
  /** The host said by itself that it ends. */
  leaving(): void;
  outputsChanged(outputs: OutputsOf): void;
  ended(): void;
}

export async function openConnection(address: HostAddress, events: ConnectionEvents): Promise<Connection> {
  return multiplex(await openSocket(address), events);
}

function openSocket(address: HostAddress): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => {
      clearTimeout(late);
      socket.destroy();
      reject(error);
    };
    const opened = () => {
      clearTimeout(late);
      resolve(socket);
    };
    const late = setTimeout(
      () => fail(new Error(`${nameOf(address)} did not answer within ${limits.net_connect_ms} ms`)),
      limits.net_connect_ms,
    );
    const socket =
      "socket_path" in address
        ? connectLocally(address.socket_path, opened)
        : openTls(address, (wrong) => (wrong === null ? opened() : fail(wrong)));
    // Also those that come after it was opened: what they mean shows in its end.
    socket.on("error", fail);
  });
}

/** The name in the host's certificate is judged by the default check, which comes before the one of the role. */
function openTls(
  { host, port, identity }: Extract<HostAddress, { identity: Identity }>,
  onOpen: (wrong: Error | null) => void,
): Socket {
  const socket = connectTls({ host, port, ...tlsOptions(identity), rejectUnauthorized: true }, () => {
    const wrong = wrongRole(socket.getPeerCertificate(), "hands");
    onOpen(wrong === null ? null : new Error(`${host}:${port} is no sandbox host: ${wrong}`));
  });
  socket.setNoDelay(true);
  return socket;
}

/** Null for what no host of this version says. */
function readResponse(text: string): HandsResponse | null {
  try {
    return handsResponse.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

interface Asked {
  resolve(answer: HandsResponse | null): void;
  onProgress: ((text: string) => void) | undefined;
}

function multiplex(socket: Socket, events: ConnectionEvents): Connection {
  const asked = new Map<number, Asked>();
  let count = 0;
  readLines(socket, limits.hands_line_bytes_max, {
    line(text) {
      const answer = readResponse(text);
      if (answer === null) return void socket.destroy();
      if (answer.type === "leaving" && answer.n === -1) return events.leaving();
      if (answer.type === "outputs_changed") return events.outputsChanged(answer);
      if (answer.type === "progress") return asked.get(answer.n)?.onProgress?.(answer.text);
      asked.get(answer.n)?.resolve(answer);
      asked.delete(answer.n);
    },
    tooLong: () => socket.destroy(),
  });
  socket.on("data", events.heard);
  socket.once("close", () => {
    for (const { resolve } of asked.values()) resolve(null);
    asked.clear();
    events.ended();
  });
  return {
    ask: (request, onProgress) =>
      new Promise((resolve) => {
        if (socket.destroyed) return resolve(null);
        const n = count++;
        asked.set(n, { resolve, onProgress });
        socket.write(`${JSON.stringify({ ...request, n })}\n`);
      }),
    isOpen: () => !socket.destroyed,
    end: () => socket.destroy(),
  };
}
