import type { Socket } from "node:net";
import type { EgressProxy } from "../config/egress.ts";
import { limits } from "../limits.ts";
import type { RefusedLine } from "../net/egress-wire.ts";
import { listenLocally } from "../net/local-socket.ts";
import { createReach, type ReachOptions } from "../net/reach.ts";
import { openTls } from "./connect-tunnel.ts";
import { type FarHosts, type FarHostsOptions, listenForFarHosts } from "./far-hosts.ts";
import { readFirstLine } from "./first-line.ts";
import { createHandOn, type HandOnOptions } from "./hand-on.ts";
import { createInterception } from "./intercept.ts";
import { packageHosts } from "./package-hosts.ts";
import { createProxy } from "./proxy.ts";
import { createSessionVault } from "./session-vault.ts";
import { trustedAuthorities } from "./tls-ends.ts";
import { createUpstream } from "./upstream.ts";
import { createWayOut } from "./way-out.ts";

/** Large, and needed for the requests of sessions with credentials alone. */
export const loadCertificates = () => import("./certificates.ts");

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
  /** Whether a serve comes there, even if none ever was. */
  vault_is_awaited?: boolean;
  /** How long that is believed, in `ms`. */
  believed_ms?: number;
  /** Who may certify hosts that credentials are for, in PEM, beside those that this process knows. */
  authorities?: readonly string[];
  /** Takes connections of sessions with credentials from the egress processes of other machines. */
  listen?: FarHostsOptions | null;
  /** Hands such connections on to one that does. */
  upstream?: Pick<HandOnOptions, "upstream" | "identity" | "wait_ms"> | null;
  /** Hears what should not have happened. */
  onTrouble?(error: unknown): void;
}

export interface Egress {
  /** Where other machines reach it; null where they do not. */
  port: number | null;
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
  /** And the machine that each is of; null for this one. */
  const watchers = new Map<Socket, string | null>();
  const way = createWayOut({
    reach: createReach(options),
    upstream: options.proxy ? createUpstream(options.proxy) : null,
    package_hosts: [...packageHosts, ...package_hosts],
    onRefused: tellWatchers,
  });
  const { vault_socket, vault_is_awaited: is_awaited, believed_ms, authorities = [] } = options;
  const vault = vault_socket
    ? createSessionVault({ socket_path: vault_socket, is_awaited, believed_ms, onTrouble })
    : null;
  const interception = createInterception({
    way,
    vault,
    certificates: lazily(async () => (await loadCertificates()).createCertificates()),
    trusted: lazily(() => trustedAuthorities(authorities)),
    onTrouble,
  });
  const proxy = createProxy(way, interception, onTrouble);

  const handOn = options.upstream
    ? createHandOn({ ...options.upstream, onRefused: tellWatchers, onTrouble })
    : null;
  let far: FarHosts | null = null;

  function tellWatchers(line: RefusedLine): void {
    for (const [watcher, from] of watchers) {
      if (from !== null && !far?.concerns(from, line.sandbox_id)) continue;
      watcher.write(`${JSON.stringify(line)}\n`);
      if (watcher.writableLength > limits.egress_watch_backlog_bytes_max) watcher.destroy();
    }
  }

  function watch(socket: Socket, from: string | null): void {
    watchers.set(socket, from);
    socket.on("close", () => watchers.delete(socket));
    socket.on("end", () => socket.end());
    socket.resume();
  }

  /** Connections of sessions without credentials are no business of another machine's. */
  async function onConnection(socket: Socket, from: string | null): Promise<void> {
    open.add(socket);
    socket.on("close", () => open.delete(socket));
    // Whoever carries it hears of its end as "close".
    socket.on("error", () => {});
    const line = await readFirstLine(socket);
    if (line === null) return void socket.destroy();
    if (line.type === "watch") return watch(socket, from);
    if (from !== null) {
      if (line.pass === null || far === null) return void socket.destroy();
      socket.once("close", far.has(from, line.sandbox_id));
    }
    if (handOn !== null && line.pass !== null && line.refuse === null) await handOn.carry(line, socket);
    else if (line.as === "tls") await openTls(way, interception, line, socket);
    else proxy.serve(socket, line);
  }

  const accept = (socket: Socket, from: string | null) => {
    onConnection(socket, from).catch((error) => {
      onTrouble(error);
      socket.destroy();
    });
  };
  const server = await listenLocally({ socket_path, owner, half_open: true }, (socket) =>
    accept(socket, null),
  );
  if (options.listen) far = await listenForFarHosts(options.listen, accept);
  server.maxConnections = limits.egress_connections_max;
  server.on("error", onTrouble);
  return {
    port: far?.port ?? null,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      handOn?.close();
      for (const socket of open) socket.destroy();
      await Promise.all([closed, far?.close()]);
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
