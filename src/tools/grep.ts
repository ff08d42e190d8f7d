import { posix } from "node:path";
import { z } from "zod";
import { limits } from "../limits.ts";
import { shortened } from "./numbered-lines.ts";
import { fileStep, folderPath, searchPattern, shownName } from "./path.ts";
import { defineTool, type Finished, failed, head, script, stderr, stepFailure, succeeded } from "./tool.ts";

export const grep = defineTool({
  name: "grep",
  description: `Search file contents for a regular expression (Perl syntax; (?i) in front ignores case), line by line. Answers with file:line:text for each match, at most ${limits.grep_lines_max}. Searches hidden and ignored files too, and leaves out binary files and .git.`,
  input: z.object({ pattern: searchPattern.describe("The regular expression."), path: folderPath }),
  replay: "safe",
  async run({ pattern, path: asked = "/workspace" }, sandbox) {
    const path = asked.replace(/^(\.\/+)+/, "") || ".";
    if (/[\n\r]/.test(pattern)) {
      return failed(
        "The pattern holds a line break, and lines are searched one by one: search for one of them.",
      );
    }
    const args = [path, pattern, String(limits.grep_lines_max + 1), String(lineBytesMax)];
    const result = await sandbox.execute("grep", script(searching, args), {
      ...fileStep,
      output_bytes: 2 * limits.tool_output_bytes_max,
    });
    if (result.exit_code !== 0 && result.exit_code !== null) return stepFailure(path, result);
    const { lines, binaries, cut } = answer(result, path);
    if (result.exit_code === null && lines.length === 0) return stepFailure(path, result);
    const notes: string[] = [];
    if (cut) notes.push("There is more: narrow the pattern or the path.");
    if (binaries > 0) notes.push(`${binaries} binary file${binaries === 1 ? " was" : "s were"} left out.`);
    if (/PCRE.* limit/.test(stderr(result))) {
      notes.push(
        "In some lines the pattern takes too long to match, so not all was searched: make it simpler.",
      );
    }
    if (result.exit_code === null) {
      const why = result.cancelled ? "interrupted" : `ended after ${limits.file_tool_timeout_ms / 1000} s`;
      notes.push(`The search was ${why} before it had seen everything.`);
    }
    const found = lines.length > 0 ? lines : ["No matches."];
    const text = [...found, ...notes.map((note) => `[${note}]`)].join("\n");
    return result.exit_code === null ? failed(text) : succeeded(text);
  },
});

/** Of a line with its file's name. */
const lineBytesMax = 12_000;

/**
 * The names of the files that have no NUL at their beginning go to ripgrep, where there is one with Perl's expressions,
 * or to grep, one list in one order. Each match is a file's name, a NUL, line number, a colon and the line. Lines are
 * text whatever their bytes. After the matches comes a line of its own with the number of binary files.
 *
 * A pipe is searched as it is, for it can be read but once.
 */
const searching = `
if [ ! -e "$1" ]; then echo "no such file or directory" >&2; exit 1; fi
pattern="(*UCP)$2"
grep -qP -e "$pattern" /dev/null
[ $? -lt 2 ] || exit 1
if rg --pcre2-version >/dev/null 2>&1; then
  search() { xargs -0 -r rg -j1 --null -nH --no-heading --color=never -aP -e "$pattern" --; }
else
  search() { xargs -0 -r grep -HnZaP --color=never -e "$pattern" --; }
fi
bounded() { LC_ALL=C cut -b "-$1" | head -n "$2"; }
if [ -p "$1" ]; then
  grep -HnZaP --color=never --line-buffered -e "$pattern" -- "$1" | bounded "$4" "$3"
  exit 0
elif [ -d "$1" ]; then
  cd -- "$1" || exit 1
  files() { find . -name .git -prune -o -type f -size +0c -print0 2>/dev/null | LC_ALL=C sort -z; }
elif [ ! -f "$1" ]; then
  echo "is not a regular file" >&2; exit 1
elif [ ! -r "$1" ]; then
  echo "permission denied" >&2; exit 1
else
  path=$1
  files() { printf '%s\\0' "$path"; }
fi
text() { LC_ALL=C xargs -0 -r grep "$@" -sIZ -e '' --; }
files | text -l | search | bounded "$4" "$3"
echo "$(files | text -L | tr -cd '\\000' | wc -c)"
`;

interface Answer {
  lines: string[];
  binaries: number;
  cut: boolean;
}

/** A file's name may hold newlines, so a match begins after the one before it, and not in every line. */
function answer(result: Finished, path: string): Answer {
  const parts = head(result).toString().split("\n");
  // What follows the last newline is nothing, or part of a line that was cut.
  parts.pop();
  const lines: string[] = [];
  let begun = "";
  for (const part of parts) {
    const match = /^([^\0]*)\0(\d+):(.*)$/s.exec(begun + part);
    begun = match ? "" : `${begun}${part}\n`;
    if (match) lines.push(`${nameOf(match[1] ?? "", path)}:${match[2]}:${shortened(match[3] ?? "")}`);
  }
  const cut = result.omitted_bytes > 0 || lines.length > limits.grep_lines_max;
  const binaries = /^(\d+)\n$/.exec(begun)?.[1] ?? 0;
  return { ...withinChars(lines.slice(0, limits.grep_lines_max), cut), binaries: Number(binaries) };
}

/** Room for the notes after the lines. */
const noteChars = 1_000;

function withinChars(lines: string[], cut: boolean): { lines: string[]; cut: boolean } {
  let chars = 0;
  const end = lines.findIndex((line) => {
    chars += line.length + 1;
    return chars > limits.tool_output_chars_max - noteChars;
  });
  return end === -1 ? { lines, cut } : { lines: lines.slice(0, end), cut: true };
}

/** Of what lies in a folder it begins with a dot, of the file that was named it does not. */
const nameOf = (file: string, path: string) =>
  shownName(file.startsWith("./") ? posix.join(path, file) : file);
