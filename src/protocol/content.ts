import { isUtf8 } from "node:buffer";
import { z } from "zod";
import { limits } from "../limits.ts";
import { base64Problem } from "./base64.ts";
import { beginsAs, type ImageType, imageSize, imageTypes } from "./image-size.ts";
import { pdfProblem } from "./pdf.ts";

/**
 * Content blocks as clients send them and see them. What no model could read is refused here, with what to do about it:
 * once it is in a session, every later model request would fail for it.
 */

export const textBlock = z.strictObject({
  type: z.literal("text"),
  text: z.string().min(1, "minimum string length is 1"),
});

const url = z.url({ protocol: /^https?$/, error: "must be an http or https URL" }).max(2048);
const fileId = z.string().regex(/^file_[A-Za-z0-9_-]{1,64}$/, 'must be an id that starts with "file_"');

const mebibytes = (chars: number) => `${chars / (1 << 20)} MB`;

/** A source whose bytes come along; `problem` says what is wrong with them, or null. */
function base64Source<Type extends string>(
  media_types: readonly [Type, ...Type[]],
  charsMax: number,
  problem: (media_type: Type, data: string) => string | null,
) {
  return z
    .strictObject({ type: z.literal("base64"), media_type: z.enum(media_types), data: z.string() })
    .superRefine(({ media_type, data }, context) => {
      const message =
        data.length > charsMax
          ? `is larger than ${mebibytes(charsMax)} of base64: send a smaller file`
          : (base64Problem(data) ?? problem(media_type as Type, data));
      if (message !== null) context.addIssue({ code: "custom", path: ["data"], message });
    });
}

function imageProblem(media_type: ImageType, data: string): string | null {
  if (!beginsAs(media_type, data)) {
    return "does not begin as a file of its media_type does: send the bytes of the image, and its own media_type";
  }
  const size = imageSize(media_type, data);
  if (!size) return "cannot be read: where the image should say its size, it is cut short or damaged";
  const { width, height } = size;
  if (width === 0 || height === 0) return `is an image of ${width} by ${height} pixels, with nothing to see`;
  const max = limits.image_side_px_max;
  return Math.max(width, height) > max
    ? `is an image of ${width} by ${height} pixels: scale it so that no side is longer than ${max}`
    : null;
}

function documentProblem(media_type: "application/pdf" | "text/plain", data: string): string | null {
  if (media_type === "application/pdf") return pdfProblem(data);
  const bytes = Buffer.from(data, "base64");
  if (!isUtf8(bytes)) return "is not text in UTF-8: encode it so, or send it with its own media_type";
  return /\S/.test(bytes.toString("utf8")) ? null : no_text;
}

const no_text = "has no text: leave the document out, or send what it says";

/** As what a model is shown a file of this type in such a block; null where it cannot be shown. */
export function shownAs(block: "image" | "document", mime_type: string): ShownType | null {
  const [type = ""] = mime_type.toLowerCase().split(";");
  if (block === "image") return imageTypes.find((candidate) => candidate === type) ?? null;
  if (type === "application/pdf") return type;
  return type.startsWith("text/") || type === "application/json" ? "text/plain" : null;
}
export type ShownType = ImageType | "application/pdf" | "text/plain";

/** The most base64 that such a block may bring along. */
export const shownCharsMax = { image: limits.image_base64_chars_max, document: limits.media_chars_max };

/** What is wrong with what a file holds, or null. */
export const shownProblem = (type: ShownType, data: string): string | null =>
  type === "application/pdf" || type === "text/plain"
    ? documentProblem(type, data)
    : imageProblem(type, data);

export const imageBlock = z.strictObject({
  type: z.literal("image"),
  source: z.discriminatedUnion("type", [
    base64Source(imageTypes, limits.image_base64_chars_max, imageProblem),
    z.strictObject({ type: z.literal("url"), url }),
    z.strictObject({ type: z.literal("file"), file_id: fileId }),
  ]),
});

export const documentBlock = z.strictObject({
  type: z.literal("document"),
  source: z.discriminatedUnion("type", [
    base64Source(["application/pdf", "text/plain"], limits.media_chars_max, documentProblem),
    z.strictObject({
      type: z.literal("text"),
      media_type: z.literal("text/plain"),
      data: z.string().regex(/\S/, no_text),
    }),
    z.strictObject({ type: z.literal("url"), url }),
    z.strictObject({ type: z.literal("file"), file_id: fileId }),
  ]),
  title: z.string().nullish(),
  context: z.string().nullish(),
});

/** A tool may well find nothing: empty text is no reason to refuse its result. */
const toolText = z.strictObject({ type: z.literal("text"), text: z.string() });

export const searchResultBlock = z.strictObject({
  type: z.literal("search_result"),
  source: z.string(),
  title: z.string(),
  content: z.array(toolText),
  citations: z.strictObject({ enabled: z.boolean() }),
});

/** Stands in the place of content that a model provider withholds. Never sent by a client. */
export const redactedBlock = z.strictObject({ type: z.literal("redacted") });

export const userContentBlock = z.discriminatedUnion("type", [textBlock, imageBlock, documentBlock]);

export const toolResultContentBlock = z.discriminatedUnion("type", [
  toolText,
  imageBlock,
  documentBlock,
  searchResultBlock,
]);
export type ToolResultContentBlock = z.infer<typeof toolResultContentBlock>;
