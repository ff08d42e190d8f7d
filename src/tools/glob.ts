import { z } from "zod";
import { limits } from "../limits.ts";
import { fileStep, folderPath, searchPattern, shownName } from "./path.ts";
import { defineTool, head, stepFailure, succeeded } from "./tool.ts";

export const glob = defineTool({
  name: "glob",
  description: `Find files whose paths match a glob pattern such as **/*.ts, the newest first, at most ${limits.glob_files_max}. ** spans directories, {a,b} stands for either. Hidden files match too; what lies in .git only if the pattern or the path names .git. Folders do not.`,
  input: z.object({
    pattern: searchPattern.describe("The pattern; ** spans directories."),
    path: folderPath,
  }),
  replay: "safe",
  async run({ pattern, path: asked }, sandbox) {
    const path = asked ?? "/workspace";
    const patterns = expandBraces(pattern);
    const withGit = pattern.split("/").some((part) => part.startsWith(".git"));
    const args = [path, String(limits.glob_files_max), withGit ? "with .git" : "", ...patterns];
    const argv = ["bash", "--norc", "-c", finding, "bash", ...args];
    const result = await sandbox.execute("glob", { type: "exec", argv, stdin_base64: "" }, fileStep);
    if (result.exit_code !== 0) return stepFailure(path, result);
    const [count, ...files] = head(result).toString().split("\0").slice(0, -1);
    const more = Number(count) - files.length;
    if (files.length === 0) return succeeded("No files match.");
    const note = more > 0 ? [`[${more} more, older than these: narrow the pattern or the path.]`] : [];
    // From /workspace, as every tool takes them.
    const within = asked === undefined ? "" : `${asked.replace(/\/+$/, "")}/`;
    const shown = files.map((file) => shownName(file.startsWith("/") ? file : `${within}${file}`));
    return succeeded([...shown, ...note].join("\n"));
  },
});

/**
 * Unquoted and with no IFS a pattern is expanded as one word, by globbing alone: nothing in it is run. The answer is how
 * many files there are, and the newest of them, each ended by a NUL. In a gVisor of 2022, where `stat` fails, nobody knows
 * which are new.
 */
const finding = `
shopt -s globstar nullglob dotglob
set -o pipefail
cd -- "$1" || exit 1
max=$2 git=$3
shift 3
IFS=
mapfile -d '' -t found < <(
  for pattern; do for match in $pattern; do
    case /$match in */.git/*) [ "$git" ] || continue ;; esac
    [ ! -f "$match" ] || printf '%s\\0' "$match"
  done; done | LC_ALL=C sort -zu | {
    if stat -L . >/dev/null 2>&1; then xargs -0 -r stat -L --printf '%.9Y %n\\0' -- 2>/dev/null || true
    else sed -z 's/^/0 /'; fi
  } |
    LC_ALL=C sort -z -k1,1nr
)
wait $! || { echo "there is too much to look through: narrow the pattern or the path" >&2; exit 1; }
newest=("\${found[@]:0:max}")
printf '%s\\0' "\${#found[@]}" "\${newest[@]#* }"
`;

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
