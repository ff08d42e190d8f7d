import { z } from "zod";

/** How a Drover is: what its processes, hosts and database say of themselves. Beyond the official API. */

const migration = z.object({ version: z.int(), name: z.string(), applied_at: z.string() });

const brain = z.object({
  /** Until it loses its connection; then it has another one. */
  id: z.int(),
  version: z.string(),
  roles: z.array(z.string()),
  started_at: z.string(),
  beat_at: z.string(),
  /** Sessions that it drives. */
  sessions: z.int(),
  /** The process that answers. */
  answers: z.boolean(),
});

const sandboxHost = z.object({
  address: z.string(),
  /** Null until it has said who it is; what it said last stays. */
  host_id: z.string().nullable(),
  status: z.enum(["up", "down"]),
  driver: z.string().nullable(),
  version: z.string().nullable(),
  sandboxes: z.int().nullable(),
  sandboxes_in_use: z.int().nullable(),
  sandboxes_max: z.int().nullable(),
  checkpoints_failing: z.boolean().nullable(),
  /** Whether its egress takes connections; null where it does not say. */
  egress: z.boolean().nullable(),
  /** For how long nothing was heard of it. */
  unheard_seconds: z.number(),
});

export const system = z.object({
  type: z.literal("system"),
  version: z.string(),
  /** Of the process that answers. */
  started_at: z.string(),
  database: z.object({
    version: z.string(),
    size_bytes: z.int(),
    /** Of one small statement. */
    latency_ms: z.number(),
  }),
  migrations: z.object({
    applied: z.array(migration),
    /** Those of the database that this version of the program does not know. */
    unknown: z.array(z.int()),
  }),
  storage: z.object({
    place: z.string(),
    status: z.enum(["ok", "away"]),
    /** Of all workspaces, as their quotas count them. */
    file_bytes: z.int(),
    /** About so many different ones. */
    contents: z.int(),
    /** What is to be removed from it. */
    strays: z.int(),
  }),
  brains: z.array(brain),
  queue: z.object({
    /** Sessions that wait for a brain now, and for how long the first of them has. */
    waiting: z.int(),
    oldest_seconds: z.number(),
  }),
  /** Those that the process that answers is connected with. */
  sandbox_hosts: z.array(sandboxHost),
  /** Of self-hosted environments: what waits for a worker, and what has one. */
  work: z.object({ waiting: z.int(), held: z.int(), oldest_seconds: z.number() }),
  /** Of the process that answers, since it began. */
  slow_statements: z.array(
    z.object({
      name: z.string(),
      /** Without what it was asked with. */
      text: z.string(),
      count: z.int(),
      total_ms: z.number(),
      worst_ms: z.number(),
      last_at: z.string(),
    }),
  ),
  /** Of the process that answers. Null as a value: it is not set, or not shown. */
  settings: z.array(
    z.object({
      name: z.string(),
      value: z.string().nullable(),
      is_set: z.boolean(),
      source: z.enum(["environment", "file", "default"]),
    }),
  ),
});
export type System = z.infer<typeof system>;
