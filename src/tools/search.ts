import { z } from "zod";
import { limits } from "../limits.ts";
import {
  defineTool,
  type Finished,
  failed,
  headAndTail,
  script,
  stdout,
  stepFailure,
  succeeded,
  type ToolResult,
} from "./tool.ts";

const options = { timeout_ms: limits.file_tool_timeout_ms, output_bytes: limits.tool_output_bytes_max };
const directory = z.string().min(1).optional().describe("Where to search; /workspace when left out.");

export const glob = defineTool({
  name: "glob",
  description: "Find files whose paths match a glob pattern such as **/*.ts, the newest first.",
  input: z.object({
    pattern: z.string().min(1).describe("The pattern; ** spans directories."),
    path: directory,
  }),
  replay: "safe",
  async run({ pattern, path = "/workspace" }, sandbox) {
    // Unquoted and with no IFS the pattern is expanded as one word, by globbing alone: nothing in it is run.
    const find = `
shopt -s globstar nullglob dotglob
cd -- "$1" || exit 1
shift
IFS=
for pattern; do for match in $pattern; do [ -f "$match" ] && printf '%s\\0' "$match"; done; done |
  xargs -0 -r stat --printf '%Y %n\\n' -- | sort -k1,1nr | cut -d' ' -f2-`;
    const argv = ["bash", "--norc", "-c", find, "bash", path, ...expandBraces(pattern)];
    const result = await sandbox.execute("glob", { type: "exec", argv, stdin_base64: "" }, options);
    if (result.exit_code !== 0) return stepFailure(path, result);
    return succeeded(lines(result) || "No files match.");
  },
});

export const grep = defineTool({
  name: "grep",
  description:
    "Search file contents for a regular expression (Perl syntax). Answers with file:line:text for each match. Skips binary files and .git.",
  input: z.object({ pattern: z.string().min(1).describe("The regular expression."), path: directory }),
  replay: "safe",
  async run({ pattern, path = "/workspace" }, sandbox) {
    const find = `cd /workspace; grep -HrnIP --exclude-dir=.git -e "$1" -- "$2"`;
    const result = await sandbox.execute("grep", script(find, [pattern, path]), options);
    if (result.exit_code === 1 && stdout(result) === "") return succeeded("No matches.");
    if (result.exit_code === null) return cutShort(path, result);
    if (result.exit_code !== 0 && stdout(result) === "") return stepFailure(path, result);
    return succeeded(lines(result));
  },
});

/** Whole lines: those before the cut, and that there was more. */
function lines(result: Finished): string {
  if (result.omitted_bytes === 0) return stdout(result).trimEnd();
  const { head } = headAndTail(result);
  return `${wholeLines(head)}\n[There is more: narrow the pattern or the path.]`;
}

/** What was found before the search was stopped, and that it was. */
function cutShort(path: string, result: Finished): ToolResult {
  const found = result.omitted_bytes === 0 ? wholeLines(stdout(result)) : lines(result);
  if (found === "") return stepFailure(path, result);
  const why = result.cancelled ? "interrupted" : `ended after ${limits.file_tool_timeout_ms / 1000} s`;
  return failed(`${found}\n[The search was ${why} before it had seen everything.]`);
}

const wholeLines = (text: string) => text.slice(0, Math.max(0, text.lastIndexOf("\n")));

const expansionsMax = 64;

/** `a/{b,c}` as `a/b` and `a/c`: the shell expands braces before it looks into variables. */
export function expandBraces(pattern: string): string[] {
  let done: string[] = [];
  let open = [pattern];
  while (open.length > 0 && done.length + open.length <= expansionsMax) {
    const next: string[] = [];
    for (const item of open) {
      const braces = /^(.*?)\{([^{}]*,[^{}]*)\}(.*)$/s.exec(item);
      if (!braces) done = [...done, item];
      else for (const choice of (braces[2] ?? "").split(",")) next.push(`${braces[1]}${choice}${braces[3]}`);
    }
    open = next;
  }
  return [...done, ...open];
}
