import type { Socket } from "node:net";
import type { Identity } from "../hands/identity.ts";
import { listenOnNetwork } from "../hands/listen.ts";
import { limits } from "../limits.ts";

export interface FarHostsOptions {
  host: string;
  /** 0 takes a free one. */
  port: number;
  identity: Identity;
  /** Of one host. */
  host_connections_max?: number;
  /** Hears why somebody was not let in. */
  onRefused?(who: string, why: string): void;
}

/** The egress processes of sandbox hosts on other machines, which hand connections on to the one beside a serve. */
export interface FarHosts {
  port: number;
  /** That host has a connection of the sandbox until the returned function is called. */
  has(host: string, sandboxId: string): () => void;
  /** Whether what happened to the sandbox is that host's business. */
  concerns(host: string, sandboxId: string): boolean;
  close(): Promise<void>;
}

/** `onConnection` hears who has made it: a host by its certificate. */
export async function listenForFarHosts(
  {
    host,
    port,
    identity,
    host_connections_max = limits.egress_host_connections_max,
    onRefused,
  }: FarHostsOptions,
  onConnection: (socket: Socket, host: string) => void,
): Promise<FarHosts> {
  const counts = new Map<string, number>();
  /** Connections of each host: one that has too many leaves the others theirs. */
  const open = new Map<string, number>();
  const keyOf = (from: string, sandboxId: string) => `${from} ${sandboxId}`;
  const server = await listenOnNetwork(
    {
      ...{ host, port, identity, takes: "host egress", half_open: true },
      silent_ms: 2 * limits.egress_idle_ms,
      connections_max: limits.egress_connections_max,
      ...(onRefused && { onRefused }),
    },
    (socket) => {
      const from = socket.getPeerCertificate().fingerprint256;
      socket.once("close", add(open, from));
      if ((open.get(from) ?? 0) > host_connections_max) socket.destroy();
      else onConnection(socket, from);
    },
  );
  return {
    port: server.port,
    has: (from, sandboxId) => add(counts, keyOf(from, sandboxId)),
    concerns: (from, sandboxId) => counts.has(keyOf(from, sandboxId)),
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

/** Counts one more until the returned function is called. */
function add(counts: Map<string, number>, key: string): () => void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
  return () => {
    const left = (counts.get(key) ?? 0) - 1;
    if (left > 0) counts.set(key, left);
    else counts.delete(key);
  };
}
