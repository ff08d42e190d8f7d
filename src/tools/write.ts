import { z } from "zod";
import { filePath, fileStep } from "./path.ts";
import { defineTool, script, stepFailure, succeeded } from "./tool.ts";

/**
 * Puts its input in the place of a file: through a link to the file it names, be that missing, and in one step, keeping
 * the mode, so that a reader never sees half of it. The dot keeps newlines at the end of a name.
 */
export const replacing = `
target=$(readlink -nm -- "$1" && echo .) || { echo "its path cannot be followed" >&2; exit 1; }
target=\${target%.}
folder=\${target%/*}/
if [ -L "$target" ]; then echo "is a symbolic link that leads back to itself" >&2; exit 1; fi
if [ -d "$target" ]; then echo "is a directory" >&2; exit 1; fi
if [ -e "$target" ] && [ ! -f "$target" ]; then echo "is not a regular file" >&2; exit 1; fi
if [ -e "$target" ] && [ ! -w "$target" ]; then echo "permission denied: the file is read-only" >&2; exit 1; fi
mkdir -p -- "$folder" || exit 1
part=$folder.drover-$$
trap 'rm -f -- "$part"' EXIT
cat > "$part" || exit 1
if [ -e "$target" ]; then chmod --reference="$target" -- "$part" || exit 1; fi
mv -f -- "$part" "$target"
`;

export const write = defineTool({
  name: "write",
  description:
    "Write a file, replacing all of its contents. Missing parent directories are created. To change a part of a file, use edit.",
  input: z.object({ file_path: filePath, content: z.string().describe("The whole new contents.") }),
  replay: "never",
  async run({ file_path, content }, sandbox) {
    const result = await sandbox.execute("write", script(replacing, [file_path], content), fileStep);
    if (result.exit_code !== 0) return stepFailure(file_path, result);
    return succeeded(`Wrote ${Buffer.byteLength(content)} bytes to ${file_path}.`);
  },
});
