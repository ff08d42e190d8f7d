import { randomBytes } from "node:crypto";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { z } from "zod";
import { removeTree } from "../remove-tree.ts";
import { isMounted } from "./in-use.ts";
import { imageOwner } from "./owner.ts";

/** What is known of a root filesystem beside its files. */
const imageShape = z.object({
  name: z.string(),
  /** Another one each time that an image of the name is made. */
  id: z.string(),
  made_at: z.string(),
  /** In words. */
  origin: z.string(),
  /** Variables that its programs expect. */
  env: z.record(z.string(), z.string()),
  files: z.int(),
  bytes: z.int(),
});
export type Image = z.infer<typeof imageShape> & { rootfs: string };

/** The images of this host: `<name>/rootfs`, and `<name>/image.json` about it. One is there as a whole or not at all. */
export interface Images {
  list(): Image[];
  find(name: string): Image | null;
  /** An empty root filesystem that is no image yet. Throws when there is an image of that name. */
  stage(name: string): Staging;
  /** Throws when there is none, or a sandbox uses it. */
  remove(name: string): Promise<void>;
}

export interface Staging {
  rootfs: string;
  commit(about: Pick<Image, "origin" | "env" | "files" | "bytes">): Image;
  discard(): Promise<void>;
}

export function openImages(handsFolder: string): Images {
  const base = join(handsFolder, "images");
  /** Names of images begin with neither. */
  const [staging, trash] = [join(base, ".staging"), join(base, ".trash")];
  const folderOf = (name: string) => join(base, encodeURIComponent(name));

  function find(name: string): Image | null {
    const folder = folderOf(name);
    const about = join(folder, "image.json");
    if (!existsSync(about)) return null;
    return { ...imageShape.parse(JSON.parse(readFileSync(about, "utf8"))), rootfs: join(folder, "rootfs") };
  }

  async function discard(path: string): Promise<void> {
    makeFolders([base, trash]);
    const gone = join(trash, `${process.pid}.${process.hrtime.bigint()}`);
    renameSync(path, gone);
    await removeTree(gone);
  }

  return {
    list() {
      if (!existsSync(base)) return [];
      const names = readdirSync(base).filter((entry) => !entry.startsWith("."));
      return names.sort().flatMap((entry) => find(decodeURIComponent(entry)) ?? []);
    },
    find,
    stage(name) {
      requireFree(find(name));
      makeFolders([handsFolder, base, staging]);
      removeAbandoned([staging, trash]);
      const path = join(staging, `${process.pid}.${process.hrtime.bigint()}`);
      const rootfs = join(path, "rootfs");
      makeFolders([path, rootfs]);
      const { uid, gid } = imageOwner();
      if (uid !== undefined && gid !== undefined) chownSync(rootfs, uid, gid);
      return {
        rootfs,
        commit(about) {
          const id = `img_${randomBytes(12).toString("hex")}`;
          const image = { name, id, made_at: new Date().toISOString(), ...about };
          const text = `${JSON.stringify(image, null, 2)}\n`;
          writeFileSync(join(path, "image.json"), text, { mode: 0o644, flush: true });
          try {
            renameSync(path, folderOf(name));
          } catch (error) {
            // Somebody else was faster.
            requireFree(find(name));
            throw error;
          }
          return { ...image, rootfs: join(folderOf(name), "rootfs") };
        },
        discard: () => discard(path),
      };
    },
    async remove(name) {
      const image = find(name);
      if (!image) throw new Error(unknownImage(name, this.list()));
      makeFolders([trash]);
      const folder = folderOf(name);
      const gone = join(trash, `${process.pid}.${process.hrtime.bigint()}`);
      // No sandbox begins with it from here on.
      renameSync(folder, gone);
      if (isMounted(`/${basename(gone)}`, folder)) {
        renameSync(gone, folder);
        throw new Error(
          `a sandbox uses the image ${name}: archive or delete its sessions, or try again when it rests`,
        );
      }
      await removeTree(gone);
    },
  };
}

function requireFree(found: Image | null): void {
  if (found)
    throw new Error(
      `there is an image ${found.name} already, made on ${found.made_at.slice(0, 10)}: \`drover image remove ${found.name}\` removes it`,
    );
}

/** What is said where an image is asked for that this host does not have. */
export function unknownImage(name: string, images: Image[]): string {
  const names = images.map((image) => image.name).join(", ");
  return `this sandbox host has no image ${name}; it has ${names || "none"}. \`drover image build ${name}\` or \`drover image import ${name} <archive>\` there makes it`;
}

/** Everybody may pass and look into them: they hold no secret, and sandboxes have users of their own. */
function makeFolders(paths: string[]): void {
  for (const path of paths) {
    mkdirSync(path, { recursive: true });
    chmodSync(path, 0o711);
  }
}

/** What processes left behind that were killed while they worked. */
function removeAbandoned(folders: string[]): void {
  for (const folder of folders) {
    if (!existsSync(folder)) continue;
    for (const entry of readdirSync(folder)) {
      const [pid] = entry.split(".");
      if (!existsSync(`/proc/${pid}`)) removeTree(join(folder, entry)).catch(() => {});
    }
  }
}
