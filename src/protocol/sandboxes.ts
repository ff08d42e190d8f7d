import { z } from "zod";

/** How the sandbox of a session is, as far as that is known. Beyond the official API. */

export const sandbox = z.object({
  type: z.literal("sandbox"),
  session_id: z.string(),
  /**
   * `none`: it never had one, or a worker of its environment runs its tools, or its workspace has expired. `resting`: none
   * runs, and the next call starts one over its workspace. `ended`: its session was archived. `unknown`: its host cannot be
   * reached, or does not say.
   */
  state: z.enum(["none", "starting", "running", "resting", "ended", "unknown"]),
  /** Since when it is so, where that is known. */
  since: z.string().nullable(),
  /** Where it is: null without a sandbox. `placed_at`: since when it is there. */
  host: z.object({ id: z.string(), driver: z.string().nullable(), placed_at: z.string() }).nullable(),
  /** Since when the session has a workspace. */
  workspace_since: z.string().nullable(),
  /** What a sandbox of the session may use; null where it has none of this server. */
  resources: z
    .object({
      cpu: z.number().nullable(),
      memory_bytes: z.int(),
      disk_bytes: z.int().nullable(),
      processes: z.int(),
      tmp_bytes: z.int(),
      file_bytes: z.int(),
      network_bytes: z.int().nullable(),
      network_connections: z.int(),
    })
    .nullable(),
  /** Where its programs may connect to. */
  network: z
    .discriminatedUnion("type", [
      z.object({ type: z.literal("none") }),
      z.object({ type: z.literal("unrestricted") }),
      z.object({ type: z.literal("limited"), hosts: z.array(z.string()), package_managers: z.boolean() }),
    ])
    .nullable(),
  /** Connections and requests that were refused, the newest first, as results of calls have told them. */
  refused: z.array(
    z.object({
      /** When the call ended that it was told with. */
      at: z.string(),
      tool_use_id: z.string(),
      /** As the program named it; empty when it named none. */
      host: z.string(),
      port: z.int(),
      reason: z.string(),
      count: z.int(),
    }),
  ),
  /** There were more, which are not shown: earlier ones, or of more hosts than a result tells. */
  refused_more: z.boolean(),
});
export type Sandbox = z.infer<typeof sandbox>;
