import type { AddressInfo, Server, Socket } from "node:net";
import { createServer as createTlsServer, type TLSSocket } from "node:tls";
import { limits } from "../limits.ts";
import { type Identity, type Role, tlsOptions, wrongRole } from "./identity.ts";

export interface NetworkListener {
  host: string;
  /** 0 takes a free one. */
  port: number;
  identity: Identity;
  /** Who is let in. */
  takes?: Role;
  /** How long a connection may be silent, in `ms`. */
  silent_ms?: number;
  connections_max?: number;
  /** Whether a connection stays open for what is still to be said when the other side has ended. */
  half_open?: boolean;
  /** Hears why somebody was not let in. */
  onRefused?(who: string, why: string): void;
}

/** TLS 1.3 for those who hold a certificate of that role, a serve's if unset. A connection that goes silent is dropped. */
export async function listenOnNetwork(
  { host, port, identity, ...options }: NetworkListener,
  onConnection: (socket: TLSSocket) => void,
): Promise<Server & { port: number }> {
  const {
    takes = "serve",
    silent_ms = limits.hands_client_silent_ms,
    connections_max = limits.hands_connections_max,
    half_open = false,
    onRefused = () => {},
  } = options;
  const server = createTlsServer({
    ...tlsOptions(identity),
    allowHalfOpen: half_open,
    requestCert: true,
    rejectUnauthorized: true,
    handshakeTimeout: limits.hands_handshake_ms,
  });
  server.maxConnections = connections_max + limits.hands_strangers_max;
  /** Who has not proven yet who they are, the oldest first. They take no place from those who have. */
  const strangers = new Map<string, Socket>();
  server.on("connection", (socket: Socket) => {
    const end = endOf(socket);
    strangers.set(end, socket);
    socket.once("close", () => strangers.delete(end));
    const [oldest] = strangers.values();
    if (strangers.size > limits.hands_strangers_max) oldest?.destroy();
  });
  server.on("tlsClientError", (error, socket) => {
    onRefused(socket.remoteAddress ?? "somebody", error.message);
    socket.destroy();
  });
  server.on("secureConnection", (socket) => {
    strangers.delete(endOf(socket));
    const wrong = wrongRole(socket.getPeerCertificate(), takes);
    if (wrong !== null) {
      onRefused(socket.remoteAddress ?? "somebody", wrong);
      socket.destroy();
      return;
    }
    socket.setNoDelay(true);
    socket.setTimeout(silent_ms, () => socket.destroy());
    onConnection(socket);
  });
  await listening(server, () => server.listen(port, host)).catch((error: Error) => {
    throw new Error(`cannot listen there, name another address: ${error.message}`, { cause: error });
  });
  return Object.assign(server, { port: (server.address() as AddressInfo).port });
}

/** The other one's, which is no other connection's as long as this one is open. */
const endOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;

async function listening(server: Server, listen: () => void): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.once("listening", resolve);
    listen();
  });
}
