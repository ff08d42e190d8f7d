import { z } from "zod";
import { limits } from "../limits.ts";
import { idOf } from "./ids.ts";
import { queryInteger, queryList } from "./page.ts";

/** Files: what clients upload, and what sessions make. A file never changes; other content is another file. */

const fileScope = z.object({ type: z.literal("session"), id: z.string() });

export const fileMetadata = z.object({
  id: z.string(),
  type: z.literal("file"),
  filename: z.string(),
  mime_type: z.string(),
  size_bytes: z.int(),
  created_at: z.string(),
  downloadable: z.boolean(),
  expires_at: z.string().nullable(),
  scope: fileScope.nullable(),
  /** Of a session's output: where it lies beneath /mnt/session/outputs. The official API does not have it. */
  path: z.string().optional(),
});
export type FileMetadata = z.infer<typeof fileMetadata>;

export const deletedFile = z.object({ id: z.string(), type: z.literal("file_deleted") });

/** Of the form that is uploaded, what is not the file itself. */
export const uploadFields = z.strictObject({
  expires_in_seconds: queryInteger(
    z.int().min(limits.file_expiry_seconds_min).max(limits.file_expiry_seconds_max),
  ).optional(),
});
export type UploadFields = z.infer<typeof uploadFields>;

/** Of a list of ids those are left out that nothing has, in whatever form. */
const anyId = z.string().regex(/^[\x20-\x7e]{1,100}$/, "must be an id");

const pageNames = ["page", "limit", "after_id", "before_id"] as const;

/** `after_id` and `before_id` are what clients paged with before there was `page`. */
export const listFilesQuery = z
  .strictObject({
    limit: queryInteger(z.int().min(1).max(limits.files_page_max)).optional(),
    page: z.string().max(2048).optional(),
    after_id: idOf("file").optional(),
    before_id: idOf("file").optional(),
    ids: queryList(anyId, limits.file_ids_sent_max)
      .refine(
        (ids) => new Set(ids).size <= limits.file_ids_max,
        `may name ${limits.file_ids_max} different files at most`,
      )
      .optional(),
    scope_id: idOf("session").optional(),
  })
  .superRefine((query, context) => {
    const named = pageNames.filter((name) => query[name] !== undefined);
    const [given] = named;
    if (query.ids && given !== undefined)
      context.addIssue({ code: "custom", path: [given], message: "cannot be combined with ids" });
    const places = named.filter((name) => name !== "limit");
    const [, second] = places;
    if (!query.ids && second !== undefined)
      context.addIssue({ code: "custom", path: [second], message: `cannot be combined with ${places[0]}` });
  });
export type ListFiles = z.infer<typeof listFilesQuery>;

/** Both ways to go on: by `next_page`, and by the ids at either end. */
export const filesPage = z.object({
  data: z.array(fileMetadata),
  next_page: z.string().nullable(),
  has_more: z.boolean(),
  first_id: z.string().nullable(),
  last_id: z.string().nullable(),
});
export type FilesPage = z.infer<typeof filesPage>;
