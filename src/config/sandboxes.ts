import { z } from "zod";
import { type ResourceLimits, resourceNames, resourceShapes } from "../protocol/sandbox-resources.ts";

/** What the configuration file says of sandboxes: what each may use if its environment does not say, and at most. */
export interface SandboxSettings {
  defaults: ResourceLimits;
  maximum: ResourceLimits;
}

const shape = z.strictObject({
  cpu: resourceShapes.cpu.nullable().optional(),
  memory_mb: resourceShapes.memory_mb.optional(),
  disk_mb: resourceShapes.disk_mb.nullable().optional(),
  processes: resourceShapes.processes.optional(),
});

export const sandboxesShape = z.strictObject({ defaults: shape.optional(), maximum: shape.optional() });
export type SandboxesFile = z.infer<typeof sandboxesShape>;

export const builtInSandboxes: SandboxSettings = {
  defaults: { cpu: null, memory_mb: 4_096, disk_mb: 10_240, processes: 256 },
  maximum: { cpu: 16, memory_mb: 32_768, disk_mb: 102_400, processes: 8_192 },
};

/** Problems name the setting. */
export function sandboxSettings(file: SandboxesFile): { sandboxes: SandboxSettings; problems: string[] } {
  const maximum = { ...builtInSandboxes.maximum, ...file.maximum };
  const { cpu, memory_mb, disk_mb, processes } = builtInSandboxes.defaults;
  const usual: ResourceLimits = {
    cpu: lesser(cpu, maximum.cpu),
    memory_mb: Math.min(memory_mb, maximum.memory_mb),
    disk_mb: lesser(disk_mb, maximum.disk_mb),
    processes: Math.min(processes, maximum.processes),
  };
  const sandboxes = { defaults: { ...usual, ...file.defaults }, maximum };
  const problems = resourceNames.flatMap((name) => {
    const [given, most] = [file.defaults?.[name], maximum[name]];
    if (given === undefined || most === null || (given !== null && given <= most)) return [];
    return [
      `sandboxes.defaults.${name}: is ${given ?? "no limit"}, more than sandboxes.maximum.${name}, ${most}`,
    ];
  });
  return { sandboxes, problems };
}

/** No default is more than what the file allows at most; without a default there is no limit. */
const lesser = (usual: number | null, most: number | null): number | null =>
  usual === null || most === null ? usual : Math.min(usual, most);
