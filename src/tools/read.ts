import { z } from "zod";
import { limits } from "../limits.ts";
import { documentBlock, imageBlock } from "../protocol/content.ts";
import type { ImageType } from "../protocol/image-size.ts";
import { fileKind } from "./file-kind.ts";
import { type FileLook, look } from "./look.ts";
import { notebookContent } from "./notebook.ts";
import { lineCharsMax, numberedLines } from "./numbered-lines.ts";
import { filePath, fileStep } from "./path.ts";
import {
  defineTool,
  failed,
  head,
  script,
  stepFailure,
  succeeded,
  type ToolResult,
  type ToolSandbox,
} from "./tool.ts";

export const read = defineTool({
  name: "read",
  description:
    "Read a file. Text comes with line numbers before each line, which are not part of the file, whole or a range of lines; long files and long lines are cut, with a note. Images (PNG, JPEG, GIF, WebP) and PDFs are shown as such, notebooks (.ipynb) as their cells with outputs, unless a view_range asks for their lines.",
  input: z.object({
    file_path: filePath,
    view_range: z
      .array(z.number().int())
      .length(2)
      .optional()
      .describe(
        "[start_line, end_line], 1-indexed and inclusive; an end_line of 0 or less means the end of the file.",
      ),
  }),
  replay: "safe",
  async run({ file_path: path, view_range }, sandbox) {
    const [start = 1, end = 0] = view_range ?? [];
    if (start < 1 || (end > 0 && end < start)) {
      return failed(
        `view_range [${start}, ${end}] is not a range: start at 1 or later, and end at or after the start.`,
      );
    }
    const file = await look(path, sandbox);
    if ("problem" in file) return file.problem;
    const kind = fileKind(file.head);
    const size = sizeOf(file.bytes);
    switch (kind.kind) {
      case "image":
        return readImage(path, file, kind.media_type, sandbox);
      case "pdf":
        return readPdf(path, file, sandbox);
      case "binary":
        return failed(`${path}: is binary: ${kind.name}, ${size}${kind.advice ? `; ${kind.advice}` : ""}.`);
      case "text": {
        const cells = view_range ? null : await readNotebook(path, file, sandbox);
        return cells ?? readLines(path, file, { start, end, utf8: kind.utf8 }, sandbox);
      }
    }
  },
});

/** No line is longer than what is shown of it, at four bytes for a character, and one byte that says there is more. */
const lineBytesMax = 4 * lineCharsMax + 1;
const reading = `tail -n "+$2" -- "$1" | head -n "$3" | LC_ALL=C cut -b "-$4" | head -c "$5"`;
const linesAtMost = 1_000_000_000;
/** Room for the notes after the lines. */
const noteChars = 1_000;

async function readLines(
  path: string,
  file: FileLook,
  { start, end, utf8 }: { start: number; end: number; utf8: boolean },
  sandbox: ToolSandbox,
): Promise<ToolResult> {
  if (file.head.length === 0) return succeeded("[The file is empty.]");
  const count = end > 0 ? end - start + 1 : linesAtMost;
  const args = [path, start, count, lineBytesMax, limits.tool_output_bytes_max].map(String);
  const result = await sandbox.execute("read", script(reading, args), fileStep);
  if (result.exit_code !== 0) return stepFailure(path, result);
  const bytes = head(result);
  if (bytes.length === 0) {
    const has = file.lines === null ? "fewer lines" : `${file.lines} line${file.lines === 1 ? "" : "s"}`;
    return failed(`${path}: view_range begins at line ${start}, and the file has ${has}.`);
  }
  // Every line ends in a newline here, the file's last one too: what follows the last newline is part of a line.
  const cut = bytes.length === limits.tool_output_bytes_max;
  const raw = bytes.toString().split("\n").slice(0, -1);
  const crlf = raw.length > 0 && raw.every((line) => line.endsWith("\r") || line.length > lineCharsMax);
  const lines = crlf ? raw.map((line) => line.replace(/\r$/, "")) : raw;
  const { text, shown } = numberedLines(lines, start, limits.tool_output_chars_max - noteChars);
  const last = start + shown - 1;
  const notes = [
    cut || shown < lines.length
      ? `The file goes on${file.lines === null ? "" : `: it has ${file.lines} lines`}. Read on with view_range [${last + 1}, 0].`
      : "",
    crlf ? "Its lines end in CRLF." : "",
    utf8 ? "" : "It is not all UTF-8: what is not is shown as \ufffd.",
  ];
  return succeeded([text, ...notes.filter((note) => note !== "").map((note) => `[${note}]`)].join("\n"));
}

async function readImage(
  path: string,
  file: FileLook,
  media_type: ImageType,
  sandbox: ToolSandbox,
): Promise<ToolResult> {
  const max = limits.image_base64_chars_max;
  const data = await readWhole(path, file, max, sandbox);
  if (typeof data !== "string") return data;
  const block = imageBlock.safeParse({ type: "image", source: { type: "base64", media_type, data } });
  if (!block.success) return failed(`${path}: ${problemIn(block.error)}.`);
  return {
    content: [{ type: "text", text: `${path}: ${media_type}, ${sizeOf(file.bytes)}` }, block.data],
    is_error: false,
  };
}

async function readPdf(path: string, file: FileLook, sandbox: ToolSandbox): Promise<ToolResult> {
  const data = await readWhole(path, file, limits.pdf_read_base64_chars_max, sandbox);
  if (typeof data !== "string") return data;
  const source = { type: "base64", media_type: "application/pdf", data };
  const block = documentBlock.safeParse({ type: "document", source, title: path });
  if (!block.success) return failed(`${path}: ${problemIn(block.error)}.`);
  return {
    content: [{ type: "text", text: `${path}: PDF, ${sizeOf(file.bytes)}` }, block.data],
    is_error: false,
  };
}

/** Null for what is no notebook, or too large for one. */
async function readNotebook(path: string, file: FileLook, sandbox: ToolSandbox): Promise<ToolResult | null> {
  if (!path.endsWith(".ipynb")) return null;
  const data = await readWhole(path, file, limits.image_base64_chars_max, sandbox);
  const content = typeof data === "string" ? notebookContent(Buffer.from(data, "base64").toString()) : null;
  return content && { content, is_error: false };
}

/** In base64. */
async function readWhole(
  path: string,
  { bytes }: FileLook,
  charsMax: number,
  sandbox: ToolSandbox,
): Promise<string | ToolResult> {
  const bytesMax = Math.floor(charsMax / 4) * 3;
  const tooLarge = `${path}: has ${sizeOf(bytes)}, and more than ${sizeOf(bytesMax)} cannot be shown: make a smaller file of it, or of a part of it.`;
  if (bytes > bytesMax) return failed(tooLarge);
  const whole = script('head -c "$2" -- "$1"', [path, String(bytesMax + 1)]);
  const result = await sandbox.execute("whole", whole, { ...fileStep, output_bytes: bytesMax + 1 });
  if (result.exit_code !== 0) return stepFailure(path, result);
  return result.output_base64.length > charsMax ? failed(tooLarge) : result.output_base64;
}

const problemIn = (error: z.ZodError) => error.issues[0]?.message ?? "cannot be read";

const sizeOf = (bytes: number): string =>
  bytes < 1 << 10
    ? `${bytes} bytes`
    : bytes < 1 << 20
      ? `${(bytes / (1 << 10)).toFixed(1)} KB`
      : `${(bytes / (1 << 20)).toFixed(1)} MB`;
