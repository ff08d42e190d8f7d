import type { SandboxSettings } from "../config/sandboxes.ts";
import type { SandboxSpec } from "../hands/wire.ts";
import { limits } from "../limits.ts";
import type { OpenNetwork } from "../net/egress-wire.ts";
import { hostOf } from "../net/reach.ts";
import type { CloudConfig } from "../protocol/environments.ts";
import { type ResourceName, resourceNames } from "../protocol/sandbox-resources.ts";

const limitOf = {
  cpu: "cpu",
  memory_mb: "memory_bytes",
  disk_mb: "disk_bytes",
  processes: "processes",
} as const satisfies Record<ResourceName, keyof SandboxSpec["limits"]>;

export interface SandboxSources {
  environment: CloudConfig;
  agent: { mcp_servers: readonly { url: string }[] };
  settings: Pick<SandboxSettings, "defaults" | "network">;
  credentials?: SandboxSpec["credentials"];
}

/** What the sandbox of a session is made of: what its environment says, and the server's settings for the rest. */
export function sandboxSpec({
  environment,
  agent,
  settings,
  credentials = null,
}: SandboxSources): SandboxSpec {
  const { resources = {}, image, packages, setup } = environment;
  const { type: _, ...managers } = packages;
  const { cpu, memory_mb, disk_mb, processes } = { ...settings.defaults, ...resources };
  const { bytes_max_mb, connections_max } = settings.network;
  return {
    image: image ?? null,
    packages: managers,
    setup: setup ?? [],
    network: networkOf(environment.networking, agent.mcp_servers),
    limits: {
      cpu,
      processes,
      memory_bytes: memory_mb * megabyte,
      disk_bytes: disk_mb === null ? null : disk_mb * megabyte,
      tmp_bytes: limits.sandbox_tmp_bytes,
      file_bytes: limits.sandbox_file_bytes_max,
      network_bytes: bytes_max_mb === null ? null : bytes_max_mb * megabyte,
      network_connections: connections_max,
    },
    credentials,
    demanded: resourceNames.filter((name) => resources[name] !== undefined).map((name) => limitOf[name]),
  };
}

/** Where the programs of a session's sandbox may connect to. */
export function networkOf(
  networking: CloudConfig["networking"],
  servers: SandboxSources["agent"]["mcp_servers"],
): OpenNetwork {
  if (networking.type === "unrestricted") return networking;
  const { allowed_hosts, allow_mcp_servers, allow_package_managers } = networking;
  const named = servers.map(({ url }) => hostOf(new URL(url).hostname));
  // A URL can hold what would be all names under one in an environment, and no server has such a name.
  const ofServers = allow_mcp_servers ? named.filter((host) => !host.includes("*")) : [];
  return {
    type: "limited",
    hosts: [...new Set([...allowed_hosts, ...ofServers])],
    package_managers: allow_package_managers,
  };
}

const megabyte = 2 ** 20;
