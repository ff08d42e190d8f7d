import { createHash } from "node:crypto";
import { z } from "zod";
import { limits } from "../limits.ts";
import { look } from "./look.ts";
import { linesOf, whyNotFound } from "./nearest-lines.ts";
import { filePath, fileStep } from "./path.ts";
import { defineTool, failed, script, stepFailure, succeeded, type ToolSandbox } from "./tool.ts";
import { replacing } from "./write.ts";

export const edit = defineTool({
  name: "edit",
  description:
    "Replace old_string with new_string in a file. old_string must stand in the file exactly so, whitespace included, without the line numbers that read shows, and only once, unless replace_all is true: give as much of what is around it as makes it the only one.",
  input: z.object({
    file_path: filePath,
    old_string: z.string().min(1).describe("The text to replace, exactly as it stands in the file."),
    new_string: z.string().describe("What to put in its place."),
    replace_all: z.boolean().optional().describe("Replace every occurrence."),
  }),
  replay: "never",
  async run({ file_path, old_string, new_string, replace_all }, sandbox) {
    if (old_string === new_string)
      return failed("old_string and new_string are the same: there is nothing to change.");
    const file = await look(file_path, sandbox);
    if ("problem" in file) return file.problem;
    const whole = script('head -c "$2" -- "$1"', [file_path, String(limits.edit_bytes_max + 1)]);
    const current = await sandbox.execute("read", whole, {
      ...fileStep,
      output_bytes: limits.edit_bytes_max + 1,
    });
    if (current.exit_code !== 0) return stepFailure(file_path, current);
    const bytes = Buffer.from(current.output_base64, "base64");
    if (bytes.length > limits.edit_bytes_max) {
      return failed(`${file_path} is larger than ${limits.edit_bytes_max >> 20} MiB.`);
    }
    const text = bytes.toString();
    if (!Buffer.from(text).equals(bytes)) return failed(`${file_path} is not UTF-8 text.`);
    const { before, after } = withLineEndingsOf(text, { before: old_string, after: new_string });
    const parts = text.split(before);
    const count = parts.length - 1;
    if (count === 0) {
      return failed(`old_string does not occur in ${file_path}. ${whyNotFound(text, old_string)}`);
    }
    if (count > 1 && !replace_all) {
      const where = linesOf(text, before).join(", ");
      return failed(
        `old_string occurs ${count} times in ${file_path}, from lines ${where}. Give more of the text around it, or set replace_all.`,
      );
    }
    const length = bytes.length + count * (Buffer.byteLength(after) - Buffer.byteLength(before));
    if (length > limits.edited_bytes_max) {
      return failed(
        `${file_path} would have ${length} bytes, and no more than ${limits.edited_bytes_max >> 20} MiB can be written.`,
      );
    }
    return replaceIfUnchanged(file_path, bytes, parts.join(after), count, sandbox);
  },
});

/** Where all lines of the file end in CRLF, a text that was written with LF alone is meant so too. */
function withLineEndingsOf(text: string, { before, after }: { before: string; after: string }) {
  const crlfOnly = /\r\n/.test(text) && !/(^|[^\r])\n/.test(text);
  if (!crlfOnly || /\r/.test(before)) return { before, after };
  return { before: before.replaceAll("\n", "\r\n"), after: after.replaceAll(/\r?\n/g, "\r\n") };
}

async function replaceIfUnchanged(
  path: string,
  before: Buffer,
  after: string,
  count: number,
  sandbox: ToolSandbox,
) {
  const unchanged = `[ "$(sha256sum < "$1")" = "$2  -" ] || { echo "the file was changed by something else meanwhile; read it again" >&2; exit 1; }`;
  const digest = createHash("sha256").update(before).digest("hex");
  const step = script(`${unchanged}\n${replacing}`, [path, digest], after);
  const result = await sandbox.execute("write", step, fileStep);
  if (result.exit_code !== 0) return stepFailure(path, result);
  return succeeded(`Replaced ${count} occurrence${count === 1 ? "" : "s"} in ${path}.`);
}
