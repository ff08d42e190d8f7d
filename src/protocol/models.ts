import { z } from "zod";
import { queryInteger, queryList } from "./page.ts";

/** The models that a client can ask for, as the Models API lists them. */

const lifecycle = z.enum(["active", "deprecated", "retired"]);

/** Others than Claude's are not known well enough to say what they can do. */
export const modelInfo = z.looseObject({
  type: z.literal("model"),
  id: z.string(),
  display_name: z.string(),
  created_at: z.string(),
  lifecycle,
  deprecated_at: z.string().nullable(),
  retires_at: z.string().nullable(),
  line: z.string().nullable(),
  max_input_tokens: z.number().nullable(),
  max_tokens: z.number().nullable(),
  capabilities: z.record(z.string(), z.unknown()).nullable(),
});
export type ModelInfo = z.infer<typeof modelInfo>;

const modelId = z.string().min(1).max(256);

export const listModelsQuery = z
  .strictObject({
    limit: queryInteger(z.int().min(1).max(1000)).default(20),
    before_id: modelId.optional(),
    after_id: modelId.optional(),
    lifecycle: queryList(lifecycle).optional(),
  })
  .refine(({ before_id, after_id }) => before_id === undefined || after_id === undefined, {
    path: ["before_id"],
    error: "cannot be given together with after_id",
  });
export type ListModelsQuery = z.infer<typeof listModelsQuery>;

export const modelPage = z.object({
  data: z.array(modelInfo),
  has_more: z.boolean(),
  first_id: z.string().nullable(),
  last_id: z.string().nullable(),
});
export type ModelPage = z.infer<typeof modelPage>;
