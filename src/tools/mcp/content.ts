import { z } from "zod";
import { limits } from "../../limits.ts";
import { documentBlock, imageBlock, type ToolResultContentBlock } from "../../protocol/content.ts";
import { excessOf, loadOf, mediaOf } from "../../protocol/media.ts";
import type { ToolResult } from "../tool.ts";

/** The result of a call as a server sends it. What of it cannot be read is left out, and said. */
export const callResult = z.looseObject({
  content: z.array(z.unknown()).catch([]),
  structuredContent: z.unknown().optional(),
  isError: z.boolean().nullish().catch(null),
});
export type CallResult = z.infer<typeof callResult>;

const text = z.string().catch("");
const optionalText = z.string().optional().catch(undefined);
const item = z.discriminatedUnion("type", [
  z.looseObject({ type: z.literal("text"), text }),
  z.looseObject({ type: z.literal("image"), data: text, mimeType: text }),
  z.looseObject({ type: z.literal("audio"), mimeType: text }),
  z.looseObject({
    type: z.literal("resource"),
    resource: z.looseObject({ uri: text, mimeType: optionalText, text: optionalText, blob: optionalText }),
  }),
  z.looseObject({
    type: z.literal("resource_link"),
    uri: text,
    name: optionalText,
    description: optionalText,
    mimeType: optionalText,
  }),
]);

/** What the model sees of a result. */
export function shownResult({ content, structuredContent, isError }: CallResult): ToolResult {
  const kept = content.slice(0, limits.content_blocks_max - 2);
  const blocks = withinLimits(kept.flatMap(shownItem));
  if (kept.length < content.length)
    blocks.push(note(`${content.length - kept.length} more parts were left out.`));
  const structured = structuredText(structuredContent, blocks);
  if (structured !== null) blocks.push({ type: "text", text: structured });
  if (blocks.length === 0) blocks.push(note("The tool returned nothing."));
  return { content: blocks, is_error: isError === true };
}

const note = (text: string): ToolResultContentBlock => ({ type: "text", text: `[${text}]` });

function shownItem(value: unknown): ToolResultContentBlock[] {
  const parsed = item.safeParse(value);
  if (!parsed.success) return [note("A part of a kind that is not known was left out.")];
  const part = parsed.data;
  switch (part.type) {
    case "text":
      return part.text === "" ? [] : [{ type: "text", text: part.text.toWellFormed() }];
    case "image":
      return [
        image(part.mimeType, part.data) ??
          note(`An image (${said(part.mimeType)}) was left out: it cannot be shown.`),
      ];
    case "audio":
      return [note(`A recording (${said(part.mimeType)}) was left out: it cannot be shown.`)];
    case "resource_link": {
      const { uri, name, description, mimeType } = part;
      const about = [name, mimeType, description].flatMap((one) => (one ? [said(one)] : []));
      return [note(`A resource: ${said(uri)}${about.length > 0 ? ` (${about.join("; ")})` : ""}`)];
    }
    case "resource": {
      const { uri, mimeType = "", text, blob } = part.resource;
      const head = note(`The resource ${said(uri)}:`);
      if (text !== undefined) return [head, { type: "text", text: text.toWellFormed() }];
      const shown = blob === undefined ? null : (image(mimeType, blob) ?? pdf(mimeType, blob, uri));
      return shown
        ? [head, shown]
        : [note(`The resource ${said(uri)} (${said(mimeType)}) was left out: it cannot be shown.`)];
    }
  }
}

/** One line, of what a server says about a thing. */
const said = (text: string) => text.replace(/\s+/g, " ").slice(0, 500).toWellFormed() || "no type";

function image(media_type: string, data: string): ToolResultContentBlock | null {
  const source = { type: "base64", media_type: media_type.toLowerCase(), data };
  return imageBlock.safeParse({ type: "image", source }).data ?? null;
}

function pdf(media_type: string, data: string, uri: string): ToolResultContentBlock | null {
  const source = { type: "base64", media_type, data };
  return documentBlock.safeParse({ type: "document", source, title: said(uri) }).data ?? null;
}

/** More images and documents than a model takes at once would end the turn. */
function withinLimits(blocks: ToolResultContentBlock[]): ToolResultContentBlock[] {
  const media: Parameters<typeof mediaOf>[0][] = [];
  return blocks.map((block) => {
    if (block.type !== "image" && block.type !== "document") return block;
    if (excessOf(loadOf([...media, block].map(mediaOf))) !== null)
      return note(`The ${block.type} was left out: there are too many, or they are too large together.`);
    media.push(block);
    return block;
  });
}

/** What servers are to say in a text beside it too; null where they have. */
function structuredText(structured: unknown, blocks: readonly ToolResultContentBlock[]): string | null {
  if (structured === undefined || structured === null) return null;
  const text = JSON.stringify(structured);
  const repeats = (block: ToolResultContentBlock) => {
    if (block.type !== "text") return false;
    try {
      return JSON.stringify(JSON.parse(block.text)) === text;
    } catch {
      return false;
    }
  };
  return blocks.some(repeats) ? null : text.toWellFormed();
}
