import type { KeptOutput } from "../hands/wire.ts";
import { limits } from "../limits.ts";
import type { ToolResult } from "./tool.ts";

/** A result that has more text than the model is to see at once is a preview, and its text kept in a file. */
export async function bounded(
  result: ToolResult,
  keep: (text: string) => Promise<KeptOutput | null>,
): Promise<ToolResult> {
  const texts = result.content.flatMap((block) => (block.type === "text" ? [block.text] : []));
  const chars = texts.reduce((sum, text) => sum + text.length, 0);
  if (chars <= limits.tool_output_chars_max) return result;
  const text = texts.join("\n");
  const output = { bytes: Buffer.byteLength(text), kept: await keep(text) };
  const shown = { type: "text" as const, text: preview({ head: text, tail: text }, output) };
  return { ...result, content: [shown, ...result.content.filter((block) => block.type !== "text")] };
}

/** The two ends of an output that is too long to be shown, and where all of it is. */
export function preview(
  ends: { head: string; tail: string },
  output: { bytes: number; kept: KeptOutput | null },
): string {
  const half = limits.tool_preview_chars / 2;
  const first = cutBefore(ends.head, half);
  const last = cutAfter(ends.tail, ends.tail.length - half);
  return `${first}\n[... ${whereabouts(output)} ...]\n${last}`;
}

function whereabouts({ bytes, kept }: { bytes: number; kept: KeptOutput | null }): string {
  const shown = `only its first and last ${limits.tool_preview_chars / 2} characters are shown here`;
  if (kept === null) return `the output has ${bytes} bytes: ${shown}, and the rest could not be kept`;
  const what = kept.complete ? "All of it is" : `Its first ${kept.bytes} bytes are`;
  return `the output has ${bytes} bytes: ${shown}. ${what} in ${kept.path}: read that in ranges, or grep it`;
}

const isHighSurrogate = (code: number) => code >= 0xd800 && code <= 0xdbff;

/** No character is cut in two. */
export function cutBefore(text: string, end: number): string {
  if (end >= text.length) return text;
  return text.slice(0, isHighSurrogate(text.charCodeAt(end - 1)) ? end - 1 : end);
}

function cutAfter(text: string, start: number): string {
  if (start <= 0) return text;
  return text.slice(isHighSurrogate(text.charCodeAt(start - 1)) ? start + 1 : start);
}
