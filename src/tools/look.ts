import { posix } from "node:path";
import { limits } from "../limits.ts";
import { fileStep, nearNames } from "./path.ts";
import { script, stepFailure, type ToolResult, type ToolSandbox } from "./tool.ts";

/** A regular file that can be read, before it is. */
export interface FileLook {
  bytes: number;
  /** Null where counting them would take too long. */
  lines: number | null;
  head: Buffer;
}

/**
 * The first line of the answer says what is there; what follows depends on it. Counted is what there is now, and no
 * more, for a file may grow as fast as it is read. What says it is empty is, or has no end: the kernel makes it up. In a
 * gVisor of 2022, `stat` fails.
 */
const looking = `
if [ -d "$1" ] && [ -r "$1" ]; then echo folder; ls -1Apq -- "$1" | head -n "$4"; exit; fi
if [ -d "$1" ]; then echo closed; exit; fi
if [ -L "$1" ] && [ ! -e "$1" ]; then echo dangling; exit; fi
if [ ! -e "$1" ]; then echo missing; ls -1A -- "$(dirname -- "$1")" 2>/dev/null | head -c "$2"; exit; fi
if [ ! -f "$1" ]; then echo special; exit; fi
if [ ! -r "$1" ]; then echo closed; exit; fi
size=$(stat -L -c %s -- "$1" 2>/dev/null || wc -c <"$1") || exit 1
lines=-
if [ "$size" -gt 0 ] && [ "$size" -le "$3" ]; then
  lines=$(head -c "$3" -- "$1" | wc -l)
  [ -z "$(tail -c 1 -- "$1" | tr '\\0' x)" ] || lines=$((lines + 1))
fi
echo "file $size $lines"
head -c "$2" -- "$1"
`;

/** How much is looked at of a file's beginning, and of the names beside a missing one, in `bytes`. */
const lookBytes = 16 << 10;
const namesShown = 50;

export async function look(path: string, sandbox: ToolSandbox): Promise<FileLook | { problem: ToolResult }> {
  const args = [path, lookBytes, limits.lines_counted_bytes_max, namesShown + 1].map(String);
  const result = await sandbox.execute("look", script(looking, args), fileStep);
  const say = (problem: string) => ({ problem: stepFailure(path, result, problem) });
  if (result.exit_code !== 0) return { problem: stepFailure(path, result) };
  const bytes = Buffer.from(result.output_base64, "base64");
  const end = bytes.indexOf("\n");
  const [what, size, lines] = bytes.subarray(0, end).toString().split(" ");
  const rest = bytes.subarray(end + 1);
  switch (what) {
    case "folder":
      return say(`is a directory${listed(namesIn(rest))}`);
    case "dangling":
      return say("is a symbolic link that leads nowhere, or back to itself");
    case "missing":
      return say(`no such file${alternatives(path, namesIn(rest))}`);
    case "special":
      return say("is not a regular file");
    case "closed":
      return say("permission denied");
    default:
      return { bytes: Number(size), lines: lines === "-" ? null : Number(lines), head: rest };
  }
}

const namesIn = (bytes: Buffer) =>
  bytes
    .toString()
    .split("\n")
    .filter((name) => name !== "");

function listed(names: string[]): string {
  if (names.length === 0) return ", and it is empty";
  const more = names.length > namesShown ? `\n[There are more than these ${namesShown}.]` : "";
  return `. It holds:\n${names.slice(0, namesShown).join("\n")}${more}`;
}

function alternatives(path: string, names: string[]): string {
  const near = nearNames(posix.basename(path), names);
  const folder = posix.dirname(path);
  if (near.length === 0) return "";
  return `. Near it: ${near.map((name) => (folder === "." ? name : posix.join(folder, name))).join(", ")}`;
}
