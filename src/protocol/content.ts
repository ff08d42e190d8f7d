import { z } from "zod";

/** Content blocks as clients send them and see them. */

export const textBlock = z.strictObject({
  type: z.literal("text"),
  text: z.string().min(1, "minimum string length is 1"),
});

const url = z.url({ protocol: /^https?$/, error: "must be an http or https URL" }).max(2048);
const fileId = z.string().regex(/^file_[A-Za-z0-9_-]{1,64}$/, 'must be an id that starts with "file_"');

/** What a file of each type begins with, its bytes read as latin1. */
const signatures = {
  "image/png": /^\x89PNG\r\n\x1a\n/,
  "image/jpeg": /^\xff\xd8\xff/,
  "image/gif": /^GIF8[79]a/,
  "image/webp": /^RIFF.{4}WEBP/s,
};
/** Base64 of the first 12 bytes, as many as the longest signature. */
const signature_chars = 16;

const base64Image = z
  .strictObject({
    type: z.literal("base64"),
    media_type: z.enum(["image/png", "image/jpeg", "image/gif", "image/webp"]),
    data: z.base64().min(1),
  })
  .refine(({ media_type, data }) => signatures[media_type].test(firstBytes(data)), {
    path: ["data"],
    error:
      "does not begin as a file of its media_type does: send the bytes of the image, and its own media_type",
  });

const firstBytes = (data: string) => Buffer.from(data.slice(0, signature_chars), "base64").toString("latin1");

export const imageBlock = z.strictObject({
  type: z.literal("image"),
  source: z.discriminatedUnion("type", [
    base64Image,
    z.strictObject({ type: z.literal("url"), url }),
    z.strictObject({ type: z.literal("file"), file_id: fileId }),
  ]),
});

export const documentBlock = z.strictObject({
  type: z.literal("document"),
  source: z.discriminatedUnion("type", [
    z.strictObject({
      type: z.literal("base64"),
      media_type: z.enum(["application/pdf", "text/plain"]),
      data: z.base64().min(1),
    }),
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

export const toolResultContentBlock = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("text"), text: z.string() }),
  imageBlock,
  documentBlock,
  searchResultBlock,
]);
export type ToolResultContentBlock = z.infer<typeof toolResultContentBlock>;
