import type { Logger } from "pino";
import type { Config } from "../config.ts";
import { type ConnectOptions, connectHost, type HostConnection } from "../hands/client.ts";
import type { HostAddress } from "../hands/connection.ts";
import type { Identity } from "../hands/identity.ts";
import { limits } from "../limits.ts";
import { handsSocketOf } from "./machine.ts";

/** The host of this machine, if it is named or the only one, and those of other machines. */
export function hostAddresses(
  config: Pick<Config, "hands" | "runtime_dir">,
  { socket, identity }: { socket?: string; identity: Identity | null },
): HostAddress[] {
  const { hosts } = config.hands;
  const local = socket ?? (hosts.length === 0 ? handsSocketOf(config) : null);
  const remote = identity ? hosts.map((host) => ({ ...host, identity })) : [];
  return [...(local === null ? [] : [{ socket_path: local }]), ...remote];
}

export function connectHosts(
  config: Pick<Config, "hands" | "runtime_dir">,
  options: { socket?: string; identity: Identity | null },
  logger: Logger,
): HostConnection[] {
  return hostAddresses(config, options).map((address) => {
    const host = connectHost({
      ...address,
      ...rhythmFor(config.hands.host_gone_ms),
      onTrouble: (error) =>
        logger.warn({ err: error, host: host.address }, "a sandbox host cannot be reached; trying again"),
    });
    return host;
  });
}

/** A connection is given up well before its host is, so that there is time to reach it over a new one. */
const rhythmFor = (gone_ms: number): Pick<ConnectOptions, "ping_ms" | "silent_ms"> => ({
  ping_ms: Math.min(limits.hands_ping_ms, gone_ms / 10),
  silent_ms: Math.min(limits.hands_silent_ms, gone_ms / 3),
});
