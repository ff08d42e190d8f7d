import { z } from "zod";
import { limits } from "../limits.ts";
import { isAllowedHost } from "../protocol/domains.ts";
import { type ResourceLimits, resourceNames, resourceShapes } from "../protocol/sandbox-resources.ts";

import { hostsOfMirrors, type Mirrors, mirrorsOf, mirrorsShape, mirrorsVariables } from "./mirrors.ts";

/** What the configuration file says of sandboxes: what each may use if its environment does not say, and at most. */
export interface SandboxSettings {
  defaults: ResourceLimits;
  maximum: ResourceLimits;
  network: NetworkLimits;
  /** Registries of package managers that sandboxes may reach with those that everybody uses: mirrors, a company's own. */
  package_hosts: string[];
  mirrors: Mirrors;
}

/** What a sandbox may use of the network, whatever its environment says. */
export interface NetworkLimits {
  /** Both ways together, for as long as its workspace is on one host; null is no limit. */
  bytes_max_mb: number | null;
  /** At once. */
  connections_max: number;
}

const networkShape = z.strictObject({
  bytes_max_mb: z
    .int()
    .min(1)
    .max(1 << 30)
    .nullable()
    .optional(),
  connections_max: z.int().min(1).max(10_000).optional(),
});

const shape = z.strictObject({
  cpu: resourceShapes.cpu.nullable().optional(),
  memory_mb: resourceShapes.memory_mb.optional(),
  disk_mb: resourceShapes.disk_mb.nullable().optional(),
  processes: resourceShapes.processes.optional(),
});

const hostProblem = 'must be a host name, or one under "*.", without scheme, port or path';

export const sandboxesShape = z.strictObject({
  defaults: shape.optional(),
  maximum: shape.optional(),
  network: networkShape.optional(),
  package_hosts: z.array(z.string(hostProblem).refine(isAllowedHost, hostProblem)).optional(),
  mirrors: mirrorsShape.optional(),
});
export type SandboxesFile = z.infer<typeof sandboxesShape>;

export const sandboxesVariables = {
  DROVER_PACKAGE_HOSTS: z
    .string()
    .transform((text) => text.split(/[\s,]+/).filter((entry) => entry !== ""))
    .refine((hosts) => hosts.every(isAllowedHost), `each ${hostProblem}; they are separated by commas`)
    .optional(),
  ...mirrorsVariables,
};
type SandboxesVariables = z.infer<z.ZodObject<typeof sandboxesVariables>>;

export const builtInSandboxes: SandboxSettings = {
  defaults: { cpu: null, memory_mb: 4_096, disk_mb: null, processes: 256 },
  maximum: { cpu: 16, memory_mb: 32_768, disk_mb: 102_400, processes: 8_192 },
  network: { bytes_max_mb: null, connections_max: limits.network_connections_max },
  package_hosts: [],
  mirrors: {},
};

/** The variable holds before what the file says. Problems name the setting. */
export function sandboxSettings(
  env: SandboxesVariables,
  file: SandboxesFile,
): { sandboxes: SandboxSettings; problems: string[] } {
  const maximum = { ...builtInSandboxes.maximum, ...file.maximum };
  const { memory_mb, processes } = builtInSandboxes.defaults;
  // No default is more than what the file allows at most, and none is not less.
  const usual: ResourceLimits = {
    cpu: file.maximum?.cpu ?? null,
    memory_mb: Math.min(memory_mb, maximum.memory_mb),
    disk_mb: file.maximum?.disk_mb ?? null,
    processes: Math.min(processes, maximum.processes),
  };
  const network = { ...builtInSandboxes.network, ...file.network };
  const mirrors = mirrorsOf(env, file.mirrors ?? {});
  const named = env.DROVER_PACKAGE_HOSTS ?? file.package_hosts ?? [];
  const sandboxes = {
    defaults: { ...usual, ...file.defaults },
    maximum,
    network,
    package_hosts: [...new Set([...named, ...hostsOfMirrors(mirrors)])],
    mirrors,
  };
  const problems = resourceNames.flatMap((name) => {
    const [given, most] = [file.defaults?.[name], maximum[name]];
    if (given === undefined || most === null || (given !== null && given <= most)) return [];
    return [
      `sandboxes.defaults.${name}: is ${given ?? "no limit"}, more than sandboxes.maximum.${name}, ${most}`,
    ];
  });
  return { sandboxes, problems };
}
