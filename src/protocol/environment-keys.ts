import { z } from "zod";
import { pageQuery } from "./page.ts";

/** With an *environment key* workers of a self-hosted environment ask for its work. Beyond the official API. */

export const createEnvironmentKeyBody = z.strictObject({ name: z.string().min(1).max(256).nullish() });
export type CreateEnvironmentKey = z.infer<typeof createEnvironmentKeyBody>;

export const environmentKey = z.object({
  id: z.string(),
  type: z.literal("environment_key"),
  environment_id: z.string(),
  name: z.string().nullable(),
  created_at: z.string(),
  /** To the minute. */
  last_used_at: z.string().nullable(),
});
export type EnvironmentKey = z.infer<typeof environmentKey>;

/** The key itself is told once. */
export const createdEnvironmentKey = environmentKey.extend({ key: z.string() });
export type CreatedEnvironmentKey = z.infer<typeof createdEnvironmentKey>;

export const listEnvironmentKeysQuery = pageQuery();
export type ListEnvironmentKeys = z.infer<typeof listEnvironmentKeysQuery>;

export const deletedEnvironmentKey = z.object({
  id: z.string(),
  type: z.literal("environment_key_deleted"),
});
