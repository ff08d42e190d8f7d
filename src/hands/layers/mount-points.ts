import { lstatSync, type Stats } from "node:fs";
import { join } from "node:path";
import { Unavailable } from "../driver.ts";
import type { Image } from "../images/images.ts";
import type { LayerFolders } from "./layer.ts";

const folders = ["dev", "etc", "proc", "run", "tmp", "usr", "var"];
const files = ["etc/hosts", "etc/resolv.conf"];

/**
 * Looks whether what is mounted over in a layer is what it was. An installer that has put a link in its place, which
 * leads out of the layer, would have the next one begun with something of the host's.
 */
export function checkMountPoints({ upper }: LayerFolders, image: Image | null): void {
  const find = (name: string) =>
    lstatSync(join(upper, name), { throwIfNoEntry: false }) ??
    (image ? lstatSync(join(image.rootfs, name), { throwIfNoEntry: false }) : undefined);
  for (const name of folders) requireFolder(name, find(name));
  for (const name of files) {
    const found = find(name);
    if (found && !found.isFile()) throw new Unavailable(`the packages have replaced the file /${name}`);
  }
}

/** Or nothing, where the layer has changed nothing of it. */
export function requireFolder(name: string, found: Stats | undefined): void {
  if (found && !found.isDirectory()) throw new Unavailable(`the packages have replaced the folder /${name}`);
}
