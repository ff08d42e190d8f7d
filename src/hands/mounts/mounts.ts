import { readFileSync } from "node:fs";
import { chmod, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { failpoint } from "../../failpoints.ts";
import type { Blobs } from "../blobs/blobs.ts";
import { syncFile, syncFolder } from "../blobs/disk.ts";
import { turns } from "../turns.ts";
import { type Mount, type MountList, mountRoots } from "../wire.ts";
import { fill } from "./fill.ts";
import { type Place, type Tree, treesOf } from "./paths.ts";

/**
 * What sessions mount, in the folders that their sandboxes see.
 *
 * I1  The version on disk is that of a list that is there as a whole: it is written after everything else.
 * I2  It only rises. A list that is not newer than what is there changes nothing.
 */
export interface Mounts {
  /** Takes a piece of a content, and resolves to how many bytes of it are here then. */
  put: Blobs["put"];
  /** Whether the sandbox has what its session mounted at that version, or later. */
  has(sandbox_id: string, version: number): boolean;
  /**
   * Makes the whole list true, be the sandbox there or not. Where contents are not here nothing is changed, and it resolves to
   * how many bytes of each are. Throws for a list that cannot be true.
   */
  mount(sandbox_id: string, list: MountList): Promise<{ sha256: string; received: number }[]>;
  /** `remove` is all that removes the sandbox's folders: nothing is mounted meanwhile. */
  forget(sandbox_id: string, remove: () => Promise<void>): Promise<void>;
}

export interface MountsOptions {
  blobs: Blobs;
  /** Of a sandbox, for what is mounted in it; it need not be there yet. */
  folderOf(sandbox_id: string): string;
}

export function createMounts({ blobs, folderOf }: MountsOptions): Mounts {
  const inTurn = turns();
  const noteOf = (sandbox_id: string) => join(folderOf(sandbox_id), "version");

  function versionOf(sandbox_id: string): number {
    try {
      return Number(readFileSync(noteOf(sandbox_id), "utf8"));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return 0;
      throw error;
    }
  }

  async function missingOf(mounts: readonly Mount[]): Promise<{ sha256: string; received: number }[]> {
    const missing: { sha256: string; received: number }[] = [];
    for (const sha256 of new Set(mounts.map((mount) => mount.sha256))) {
      const received = await blobs.received(sha256);
      if (received !== null) missing.push({ sha256, received });
    }
    return missing;
  }

  async function source({ sha256, path, executable }: Mount): Promise<string> {
    const file = await blobs.file(sha256, { executable });
    if (file === null) throw new Error(`the content of ${path} was removed meanwhile; ask again`);
    return file;
  }

  async function make(
    sandbox_id: string,
    version: number,
    trees: Record<Place["root"], Tree>,
  ): Promise<void> {
    const folder = folderOf(sandbox_id);
    const parts = join(folder, "parts");
    await mkdir(parts, { recursive: true, mode: 0o700 });
    for (const root of Object.keys(mountRoots) as Place["root"][]) {
      await mkdir(join(folder, root), { recursive: true });
      await chmod(join(folder, root), 0o755);
      await fill(join(folder, root), trees[root], { parts, source });
    }
    failpoint("mounts_filled");
    const note = join(parts, "version");
    await writeFile(note, String(version), { mode: 0o600 });
    await syncFile(note);
    await rename(note, noteOf(sandbox_id));
    await rm(parts, { recursive: true });
    await syncFolder(folder);
  }

  return {
    put: blobs.put,
    has: (sandbox_id, version) => version === 0 || versionOf(sandbox_id) >= version,
    mount: (sandbox_id, { version, mounts }) =>
      inTurn(sandbox_id, async () => {
        const trees = treesOf(mounts);
        if (versionOf(sandbox_id) >= version) return [];
        const missing = await missingOf(mounts);
        if (missing.length === 0) await make(sandbox_id, version, trees);
        return missing;
      }),
    forget: (sandbox_id, remove) => inTurn(sandbox_id, remove),
  };
}
