import { z } from "zod";

/** Content blocks as clients send them and see them. */

export const textBlock = z.strictObject({
  type: z.literal("text"),
  text: z.string().min(1, "minimum string length is 1"),
});

const url = z.url({ protocol: /^https?$/, error: "must be an http or https URL" }).max(2048);
const fileId = z.string().regex(/^file_[A-Za-z0-9_-]{1,64}$/, 'must be an id that starts with "file_"');

export const imageBlock = z.strictObject({
  type: z.literal("image"),
  source: z.discriminatedUnion("type", [
    z.strictObject({
      type: z.literal("base64"),
      media_type: z.enum(["image/png", "image/jpeg", "image/gif", "image/webp"]),
      data: z.base64().min(1),
    }),
    z.strictObject({ type: z.literal("url"), url }),
    z.strictObject({ type: z.literal("file"), file_id: fileId }),
  ]),
});

export const documentBlock = z.strictObject({
  type: z.literal("document"),
  source: z.discriminatedUnion("type", [
    z.strictObject({ type: z.literal("base64"), media_type: z.string().min(1), data: z.base64().min(1) }),
    z.strictObject({ type: z.literal("text"), media_type: z.literal("text/plain"), data: z.string() }),
    z.strictObject({ type: z.literal("url"), url }),
    z.strictObject({ type: z.literal("file"), file_id: fileId }),
  ]),
  title: z.string().nullish(),
  context: z.string().nullish(),
});

export const searchResultBlock = z.strictObject({
  type: z.literal("search_result"),
  source: z.string(),
  title: z.string(),
  content: z.array(textBlock),
  citations: z.strictObject({ enabled: z.boolean() }),
});

/** Stands in the place of content that a model provider withholds. Never sent by a client. */
export const redactedBlock = z.strictObject({ type: z.literal("redacted") });

export const userContentBlock = z.discriminatedUnion("type", [textBlock, imageBlock, documentBlock]);
export type UserContentBlock = z.infer<typeof userContentBlock>;

export const toolResultContentBlock = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("text"), text: z.string() }),
  imageBlock,
  documentBlock,
  searchResultBlock,
]);
export type ToolResultContentBlock = z.infer<typeof toolResultContentBlock>;
