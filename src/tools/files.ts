import { createHash } from "node:crypto";
import { z } from "zod";
import { limits } from "../limits.ts";
import {
  defineTool,
  failed,
  headAndTail,
  script,
  stdout,
  stepFailure,
  succeeded,
  type ToolSandbox,
} from "./tool.ts";

const filePath = z.string().min(1).describe("Path of the file, absolute or from /workspace.");
const options = { timeout_ms: limits.file_tool_timeout_ms };

const readable = `
if [ -d "$1" ]; then echo "is a directory" >&2; exit 1; fi
if [ ! -e "$1" ]; then echo "no such file" >&2; exit 1; fi
if [ ! -f "$1" ]; then echo "is not a regular file" >&2; exit 1; fi
if [ ! -r "$1" ]; then echo "permission denied" >&2; exit 1; fi
`;

export const read = defineTool({
  name: "read",
  description:
    "Read a UTF-8 text file, whole or a range of its lines. Long files are cut: read them in ranges.",
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
  async run({ file_path, view_range }, sandbox) {
    const [start = 1, end = 0] = view_range ?? [];
    if (start < 1 || (end > 0 && end < start)) {
      return failed(
        `view_range [${start}, ${end}] is not a range: start at 1 or later, and end at or after the start.`,
      );
    }
    const lines =
      end > 0 ? `tail -n +${start} -- "$1" | head -n ${end - start + 1}` : `tail -n +${start} -- "$1"`;
    const result = await sandbox.execute("read", script(readable + lines, [file_path]), {
      ...options,
      output_bytes: limits.tool_output_bytes_max * 2,
    });
    if (result.exit_code !== 0 && result.omitted_bytes === 0) return stepFailure(file_path, result);
    if (result.omitted_bytes === 0) return succeeded(stdout(result));
    const { head } = headAndTail(result);
    const count = head.split("\n").length;
    return succeeded(
      `${head}\n[The file goes on. Shown: the first ${count} lines of the range, the last of them in part. Read on with view_range.]`,
    );
  },
});

// Through a link to the file it names, be that missing, in one step, keeping the mode: a reader never sees half of it.
const replace = `
target=$(readlink -m -- "$1") || { echo "its path cannot be followed" >&2; exit 1; }
if [ -L "$target" ]; then echo "is a symbolic link that leads back to itself" >&2; exit 1; fi
if [ -d "$target" ]; then echo "is a directory" >&2; exit 1; fi
mkdir -p -- "$(dirname -- "$target")" || exit 1
part="$target.drover-$$"
trap 'rm -f -- "$part"' EXIT
cat > "$part" || exit 1
if [ -e "$target" ]; then chmod --reference="$target" -- "$part" || exit 1; fi
mv -f -- "$part" "$target"
`;

export const write = defineTool({
  name: "write",
  description: "Write a file, replacing all of its contents. Missing parent directories are created.",
  input: z.object({ file_path: filePath, content: z.string().describe("The whole new contents.") }),
  replay: "never",
  async run({ file_path, content }, sandbox) {
    const result = await sandbox.execute("write", script(replace, [file_path], content), options);
    if (result.exit_code !== 0) return stepFailure(file_path, result);
    return succeeded(`Wrote ${Buffer.byteLength(content)} bytes to ${file_path}.`);
  },
});

/** The largest file that can be edited, in `bytes`. */
const editBytesMax = 8 << 20;

export const edit = defineTool({
  name: "edit",
  description:
    "Replace old_string with new_string in a file. old_string must occur exactly once, unless replace_all is true.",
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
    const current = await sandbox.execute("read", script(`${readable}cat -- "$1"`, [file_path]), {
      ...options,
      output_bytes: editBytesMax,
    });
    if (current.exit_code !== 0) return stepFailure(file_path, current);
    if (current.omitted_bytes > 0) return failed(`${file_path} is larger than ${editBytesMax >> 20} MiB.`);
    const bytes = Buffer.from(current.output_base64, "base64");
    const text = bytes.toString();
    if (!Buffer.from(text).equals(bytes)) return failed(`${file_path} is not UTF-8 text.`);
    const parts = text.split(old_string);
    const count = parts.length - 1;
    if (count === 0) return failed(`old_string does not occur in ${file_path}.`);
    if (count > 1 && !replace_all) {
      return failed(
        `old_string occurs ${count} times in ${file_path}. Give more of the text around it, or set replace_all.`,
      );
    }
    return replaceIfUnchanged(file_path, bytes, parts.join(new_string), count, sandbox);
  },
});

async function replaceIfUnchanged(
  path: string,
  before: Buffer,
  after: string,
  count: number,
  sandbox: ToolSandbox,
) {
  const unchanged = `[ "$(sha256sum < "$1")" = "$2  -" ] || { echo "the file was changed by something else meanwhile; read it again" >&2; exit 1; }`;
  const digest = createHash("sha256").update(before).digest("hex");
  const step = script(`${unchanged}\n${replace}`, [path, digest], after);
  const result = await sandbox.execute("write", step, options);
  if (result.exit_code !== 0) return stepFailure(path, result);
  return succeeded(`Replaced ${count} occurrence${count === 1 ? "" : "s"} in ${path}.`);
}
