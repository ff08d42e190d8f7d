import { z } from "zod";
import { limits } from "../limits.ts";
import { idOf } from "./ids.ts";
import { monetaryAmount } from "./money.ts";
import { queryInteger, queryList, timestamp } from "./page.ts";

/** What a workspace has used, by hours or days of UTC. Beyond the official API; the names are those of its usage reports. */

export const bucketWidth = z.enum(["1d", "1h"]);
export type BucketWidth = z.infer<typeof bucketWidth>;

export const usageGroup = z.enum(["agent_id", "model"]);
export type UsageGroup = z.infer<typeof usageGroup>;

const groups = queryList(usageGroup, 2).refine(
  (names) => new Set(names).size === names.length,
  "must name each only once",
);

export const usageQuery = z.strictObject({
  /** Taken back to the beginning of its bucket. */
  starting_at: timestamp,
  /** The last bucket is the one before it; the present one, where it is left out. */
  ending_at: timestamp.optional(),
  bucket_width: bucketWidth.default("1d"),
  group_by: groups.default([]),
  agent_id: idOf("agent").optional(),
  model: z.string().min(1).max(256).optional(),
  session_id: idOf("session").optional(),
  /** Buckets on a page. */
  limit: queryInteger(z.int().min(1).max(limits.usage_hours_max)).optional(),
  page: z.string().max(2048).optional(),
  format: z.enum(["json", "csv"]).optional(),
});
export type UsageQuery = z.infer<typeof usageQuery>;

export const usageResult = z.object({
  /** Null where it is not grouped by, and of what was used outside of sessions. */
  agent_id: z.string().nullable(),
  /** Null where it is not grouped by, and of what no model has used. */
  model: z.string().nullable(),
  input_tokens: z.int(),
  cache_read_input_tokens: z.int(),
  cache_creation: z.object({ ephemeral_5m_input_tokens: z.int(), ephemeral_1h_input_tokens: z.int() }),
  output_tokens: z.int(),
  server_tool_use: z.object({ web_search_requests: z.int() }),
  model_requests: z.int(),
  /** Uses of models that have no list price, and so are not in `list_cost`. */
  unpriced_uses: z.int(),
  /** Of runs that have come to rest in the bucket. */
  active_seconds: z.number(),
  /** Different ones. */
  sessions: z.int(),
  /** In cents, with their fractions: `"12.5"` is 12.5 cents. */
  list_cost: monetaryAmount,
});
export type UsageResult = z.infer<typeof usageResult>;

export const usageBucket = z.object({
  starting_at: z.string(),
  ending_at: z.string(),
  results: z.array(usageResult),
});

export const usageReport = z.object({
  data: z.array(usageBucket),
  has_more: z.boolean(),
  next_page: z.string().nullable(),
});
export type UsageReport = z.infer<typeof usageReport>;

export const bucketPosition = z.strictObject({ at: timestamp });
