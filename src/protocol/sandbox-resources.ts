import { z } from "zod";
import { invalid } from "./errors.ts";

/** What a sandbox may use, beyond the official API: a part of an environment's `config`. */

/** How each is spelled, in a request and in the configuration file. */
export const resourceShapes = {
  /** Processor cores, in hundredths. */
  cpu: z.number().min(0.1).max(4_096).refine(isWholeHundredths, "must have at most two decimals"),
  memory_mb: z
    .int()
    .min(64)
    .max(16 << 20),
  /** Workspace, home and outputs together. */
  disk_mb: z
    .int()
    .min(16)
    .max(64 << 20),
  /** Processes and threads at once. */
  processes: z
    .int()
    .min(16)
    .max(1 << 20),
};

export const resourceNames = ["cpu", "memory_mb", "disk_mb", "processes"] as const;
export type ResourceName = (typeof resourceNames)[number];

/** Null is no limit. */
export interface ResourceLimits {
  cpu: number | null;
  memory_mb: number;
  disk_mb: number | null;
  processes: number;
}

export const resourceParams = z.strictObject({
  cpu: resourceShapes.cpu.nullish(),
  memory_mb: resourceShapes.memory_mb.nullish(),
  disk_mb: resourceShapes.disk_mb.nullish(),
  processes: resourceShapes.processes.nullish(),
});
export type ResourceParams = z.infer<typeof resourceParams>;

/** What the environment says itself; of the rest the server's defaults hold. */
export const resources = z.object({
  cpu: z.number().optional(),
  memory_mb: z.number().optional(),
  disk_mb: z.number().optional(),
  processes: z.number().optional(),
});
export type Resources = z.infer<typeof resources>;

/** Omitted ones keep their value, null goes back to the server's default. Undefined when none is left. */
export function mergedResources(
  current: Resources | undefined,
  params: ResourceParams | null | undefined,
): Resources | undefined {
  if (params === null) return undefined;
  const merged = resourceNames.flatMap((name) => {
    const value = params?.[name] === undefined ? current?.[name] : params[name];
    return value === undefined || value === null ? [] : [[name, value] as const];
  });
  return merged.length === 0 ? undefined : Object.fromEntries(merged);
}

/** Throws when more is asked for than the server gives. */
export function requireWithin(asked: ResourceParams | null | undefined, maximum: ResourceLimits): void {
  for (const name of resourceNames) {
    const [value, most] = [asked?.[name], maximum[name]];
    if (value !== undefined && value !== null && most !== null && value > most)
      throw invalid(`config.resources.${name}: is ${value}, and this server gives a sandbox at most ${most}`);
  }
}

function isWholeHundredths(value: number): boolean {
  return Math.abs(value * 100 - Math.round(value * 100)) < 1e-6;
}
