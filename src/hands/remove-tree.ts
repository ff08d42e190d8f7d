import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** By `rm`, which reaches what lies deeper than a path can name. */
export async function removeTree(path: string): Promise<void> {
  const run = promisify(execFile);
  const remove = () => run("rm", ["-rf", "--", path]);
  try {
    await remove();
  } catch {
    // Folders that their owner cannot enter hide their contents from it; links are not followed.
    await run("chmod", ["-R", "u+rwX", "--", path]).catch(() => {});
    await remove();
  }
}
