import { z } from "zod";
import { imageBlock, type ToolResultContentBlock } from "../protocol/content.ts";
import { cutBefore } from "./preview.ts";

const text = z.union([z.string(), z.array(z.string())]).transform((lines) => [lines].flat().join(""));

const output = z.discriminatedUnion("output_type", [
  z.object({ output_type: z.literal("stream"), text }),
  z.object({
    output_type: z.enum(["display_data", "execute_result"]),
    data: z.record(z.string(), z.unknown()),
  }),
  z.object({ output_type: z.literal("error"), ename: z.string(), evalue: z.string() }),
]);
type Output = z.infer<typeof output>;

const notebook = z.object({
  cells: z.array(
    z.object({
      cell_type: z.string(),
      source: text,
      execution_count: z.int().nullish(),
      outputs: z.array(output).optional(),
    }),
  ),
});

const outputCharsMax = 10_000;
const imagesMax = 20;

/** The cells of a notebook with what they have put out, its pictures after the text. Null when it is none. */
export function notebookContent(json: string): ToolResultContentBlock[] | null {
  const parsed = notebook.safeParse(parseJson(json));
  if (!parsed.success) return null;
  const parts: string[] = [];
  const images: ToolResultContentBlock[] = [];
  for (const [i, cell] of parsed.data.cells.entries()) {
    const run = cell.execution_count == null ? "" : `, run as ${cell.execution_count}`;
    parts.push(`[Cell ${i + 1}, ${cell.cell_type}${run}]`, cell.source);
    for (const each of cell.outputs ?? []) {
      const image = imageIn(each);
      const hasRoom = images.length < imagesMax;
      if (image && hasRoom) images.push(image);
      const place = hasRoom ? `number ${images.length} below` : `not shown, after ${imagesMax} others`;
      parts.push(`[Output of cell ${i + 1}]`, image ? `(a picture: ${place})` : outputText(each));
    }
  }
  return [{ type: "text", text: parts.join("\n") || "[The notebook has no cells.]" }, ...images];
}

function outputText(each: Output): string {
  if (each.output_type === "stream") return shortOutput(each.text);
  if (each.output_type === "error") return `${each.ename}: ${each.evalue}`;
  const plain = text.safeParse(each.data["text/plain"]);
  return plain.success ? shortOutput(plain.data) : `(${Object.keys(each.data).join(", ")})`;
}

const shortOutput = (output: string) =>
  output.length > outputCharsMax
    ? `${cutBefore(output, outputCharsMax)}\n[... the output is cut here]`
    : output;

/** A picture that a model can read. */
function imageIn(each: Output): ToolResultContentBlock | null {
  if (each.output_type === "stream" || each.output_type === "error") return null;
  for (const media_type of ["image/png", "image/jpeg"] as const) {
    const data = text.safeParse(each.data[media_type]);
    if (!data.success) continue;
    const source = { type: "base64", media_type, data: data.data.replaceAll(/\s/g, "") };
    const block = imageBlock.safeParse({ type: "image", source });
    if (block.success) return block.data;
  }
  return null;
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
