import type { Socket } from "node:net";
import type { EgressProxy } from "../config/egress.ts";
import { limits } from "../limits.ts";
import type { RefusedLine } from "../net/egress-wire.ts";
import { listenLocally } from "../net/local-socket.ts";
import { createReach, type ReachOptions } from "../net/reach.ts";
import { createCertificates } from "./certificates.ts";
import { openTls } from "./connect-tunnel.ts";
import { readFirstLine } from "./first-line.ts";
import { createInterception } from "./intercept.ts";
import { packageHosts } from "./package-hosts.ts";
import { createProxy } from "./proxy.ts";
import { createSessionVault } from "./session-vault.ts";
import { trustedAuthorities } from "./tls-ends.ts";
import { createUpstream } from "./upstream.ts";
import { createWayOut } from "./way-out.ts";

export interface EgressOptions extends ReachOptions {
  socket_path: string;
  /** Who may connect, besides root: `hands`. */
  owner?: { uid: number; gid: number };
  /** Registries of package managers, beside those that everybody uses. */
  package_hosts: readonly string[];
  /** What connections go through. Without it they leave directly. */
  proxy?: EgressProxy | null;
  /** Where serve tells of the credentials of sessions. Without it none is used. */
  vault_socket?: string;
  /** How long that is believed, in `ms`. */
  believed_ms?: number;
  /** Who may certify hosts that credentials are for, in PEM, beside those that this process knows. */
  authorities?: readonly string[];
  /** Hears what should not have happened. */
  onTrouble?(error: unknown): void;
}

export interface Egress {
  /** Ends all connections. */
  close(): Promise<void>;
}

/**
 * The way out of sandboxes: carries what `hands` hands over to where it may go. Stateless: all that holds for a connection
 * is said at its beginning. One that goes wrong ends, and no other one does.
 */
export async function startEgress(options: EgressOptions): Promise<Egress> {
  const { socket_path, owner, package_hosts, onTrouble = () => {} } = options;
  const open = new Set<Socket>();
  const watchers = new Set<Socket>();
  const way = createWayOut({
    reach: createReach(options),
    upstream: options.proxy ? createUpstream(options.proxy) : null,
    package_hosts: [...packageHosts, ...package_hosts],
    onRefused: tellWatchers,
  });
  const { vault_socket, believed_ms, authorities = [] } = options;
  const vault = vault_socket
    ? createSessionVault({ socket_path: vault_socket, believed_ms, onTrouble })
    : null;
  const interception = createInterception({
    way,
    vault,
    certificates: createCertificates(),
    trusted: lazily(() => trustedAuthorities(authorities)),
    onTrouble,
  });
  const proxy = createProxy(way, interception, onTrouble);

  function tellWatchers(line: RefusedLine): void {
    for (const watcher of watchers) {
      watcher.write(`${JSON.stringify(line)}\n`);
      if (watcher.writableLength > limits.egress_watch_backlog_bytes_max) watcher.destroy();
    }
  }

  function watch(socket: Socket): void {
    watchers.add(socket);
    socket.on("close", () => watchers.delete(socket));
    socket.on("end", () => socket.end());
    socket.resume();
  }

  async function onConnection(socket: Socket): Promise<void> {
    open.add(socket);
    socket.on("close", () => open.delete(socket));
    // Whoever carries it hears of its end as "close".
    socket.on("error", () => {});
    const line = await readFirstLine(socket);
    if (line === null) socket.destroy();
    else if (line.type === "watch") watch(socket);
    else if (line.as === "tls") await openTls(way, interception, line, socket);
    else proxy.serve(socket, line);
  }

  const server = await listenLocally({ socket_path, owner, half_open: true }, (socket) => {
    onConnection(socket).catch((error) => {
      onTrouble(error);
      socket.destroy();
    });
  });
  server.maxConnections = limits.egress_connections_max;
  server.on("error", onTrouble);
  return {
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of open) socket.destroy();
      await closed;
      await vault?.close();
    },
  };
}

/** Made when it is wanted first. */
function lazily<Made>(make: () => Made): () => Made {
  let made: { it: Made } | null = null;
  return () => {
    made ??= { it: make() };
    return made.it;
  };
}
