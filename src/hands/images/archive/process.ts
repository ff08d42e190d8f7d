import { finish } from "./finish.ts";
import { insideRoot } from "./inside-root.ts";
import { imageBounds, unpack } from "./unpack.ts";

/**
 * The program that `confined.ts` starts in a sandbox without a network: `unpack` puts an archive into a root filesystem,
 * and both jobs make it one of sandboxes. It says how far it is, and last how it ended: one JSON object a line.
 */

export type Said =
  | { type: "layer"; n: number; of: number; bytes: number }
  | { type: "bytes"; count: number }
  | { type: "finishing" }
  | { type: "done"; files: number; bytes: number; digest: string | null; env: string[]; left_out: number }
  | { type: "failed"; message: string };

const [job, rootfs = "", authorities = ""] = process.argv.slice(2);
const say = (said: Said) => process.stdout.write(`${JSON.stringify(said)}\n`);
/** Where whoever started this has opened the archive. */
const archiveFd = 4;
const toldEvery = 4 << 20;

try {
  let untold = 0;
  const unpacked =
    job === "unpack"
      ? await unpack(archiveFd, rootfs, imageBounds, {
          layer: (n, of, bytes) => say({ type: "layer", n, of, bytes }),
          bytes(count) {
            untold += count;
            if (untold < toldEvery) return;
            say({ type: "bytes", count: untold });
            untold = 0;
          },
        })
      : { digest: null, env: [], left_out: 0 };
  say({ type: "finishing" });
  say({ type: "done", ...unpacked, ...finish(rootfs, insideRoot(rootfs), authorities) });
} catch (error) {
  say({ type: "failed", message: error instanceof Error ? error.message : String(error) });
}
