import type { SandboxSpec } from "../hands/wire.ts";
import { limits } from "../limits.ts";
import type { CloudConfig } from "../protocol/environments.ts";
import { type ResourceLimits, type ResourceName, resourceNames } from "../protocol/sandbox-resources.ts";

const limitOf = {
  cpu: "cpu",
  memory_mb: "memory_bytes",
  disk_mb: "disk_bytes",
  processes: "processes",
} as const satisfies Record<ResourceName, keyof SandboxSpec["limits"]>;

/** What the sandbox of a session is made of: what its environment says, and the server's defaults for the rest. */
export function sandboxSpec(environment: CloudConfig, defaults: ResourceLimits): SandboxSpec {
  const { resources = {}, image, packages, setup } = environment;
  const { type: _, ...managers } = packages;
  const { cpu, memory_mb, disk_mb, processes } = { ...defaults, ...resources };
  return {
    image: image ?? null,
    packages: managers,
    setup: setup ?? [],
    network: { type: "none" },
    limits: {
      cpu,
      processes,
      memory_bytes: memory_mb * megabyte,
      disk_bytes: disk_mb === null ? null : disk_mb * megabyte,
      tmp_bytes: limits.sandbox_tmp_bytes,
      file_bytes: limits.sandbox_file_bytes_max,
    },
    demanded: resourceNames.filter((name) => resources[name] !== undefined).map((name) => limitOf[name]),
  };
}

const megabyte = 2 ** 20;
