import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { Overlay } from "../drivers/joining.ts";
import { hostFolders, type Root, topLevelFolders } from "../drivers/root-filesystem.ts";
import type { Image } from "../images/images.ts";

/** What is known of a layer beside its files. */
export const layerShape = z.object({
  key: z.string(),
  made_at: z.string(),
  /** Variables that programs need to find what was installed. */
  env: z.record(z.string(), z.string()),
  bytes: z.int(),
});

/**
 * What installed packages have changed of a root filesystem: a folder `upper` that stands for the root, and `root`, where
 * both are seen as one by whoever has mounted them.
 */
export interface LayerFolders {
  upper: string;
  root: string;
}

export const foldersOf = (path: string): LayerFolders => ({
  upper: join(path, "upper"),
  root: join(path, "root"),
});

/**
 * Of an image all is below the layer. Of the host only /usr is: of its /etc and /var the layer has a part of its own, which
 * holds nothing that is the host's alone.
 */
export function overlayOf(
  { upper, root }: LayerFolders,
  image: Image | null,
  changes?: { work: string },
): Overlay {
  const below = image
    ? { at: root, upper, rootfs: image.rootfs }
    : { at: join(root, "usr"), upper: join(upper, "usr"), rootfs: "/usr" };
  if (changes)
    return { at: below.at, lower: [below.rootfs], changes: { upper: below.upper, work: changes.work } };
  return { at: below.at, lower: [below.upper, below.rootfs] };
}

/** The root of a sandbox with the layer. */
export function layerRoot(layer: LayerFolders, image: Image | null, env: Record<string, string>): Root {
  const overlays = [overlayOf(layer, image)];
  if (!image) return { overlays, folders: hostWithLayer(layer, "--ro-bind"), env, etc: null, isHosts: false };
  // What the layer has of a name is what is there: a link in the place of a folder leads where it leads in the sandbox.
  const changed = readdirSync(layer.upper);
  const unchanged = readdirSync(image.rootfs).filter((name) => !changed.includes(name));
  const folders = [
    ...topLevelFolders(image.rootfs, layer.root, unchanged),
    ...topLevelFolders(layer.upper, layer.root, changed),
  ];
  return { overlays, folders, env: { ...image.env, ...env }, etc: null, isHosts: false };
}

export const hostWithLayer = ({ upper, root }: LayerFolders, bind: "--bind" | "--ro-bind"): string[] => [
  ...[bind, join(root, "usr"), "/usr"],
  ...hostFolders(),
  ...readdirSync(upper)
    .filter((name) => name !== "usr" && lstatSync(join(upper, name)).isDirectory())
    .flatMap((name) => [bind, join(upper, name), `/${name}`]),
];
