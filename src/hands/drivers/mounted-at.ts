import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Overlay } from "./joining.ts";

/** A file of this host, beneath the folder that is mounted. */
export interface HostFile {
  above: string;
  path: string;
}

/**
 * Where on this host the file lies that a sandbox sees at `path`, if there is one: by the arguments of bwrap that make up its root
 * filesystem, and what is seen as one only once the sandbox begins.
 */
export function mountedAt(
  args: readonly string[],
  overlays: readonly Overlay[],
  path: string,
): HostFile | null {
  let found: HostFile | null = null;
  args.forEach((option, i) => {
    const [source = "", inside = ""] = args.slice(i + 1, i + 3);
    if (option !== "--ro-bind" && option !== "--ro-bind-try") return;
    if (path.startsWith(`${inside}/`)) found = { above: source, path: path.slice(inside.length + 1) };
  });
  if (found === null) return null;
  const { above, path: rest } = found as HostFile;
  const overlay = overlays.find(({ at }) => above === at || above.startsWith(`${at}/`));
  const layers = overlay
    ? overlay.lower.map((lower) => ({ above: lower, path: join(above.slice(overlay.at.length), rest) }))
    : [found as HostFile];
  return layers.find((file) => existsSync(join(file.above, file.path))) ?? null;
}
