import { execFile } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { Unavailable } from "../driver.ts";
import { removeTree } from "../remove-tree.ts";
import { mountRoots } from "../wire.ts";
import { createDisks, type Disks, diskIn, hasDisk } from "./disks.ts";

export interface User {
  uid?: number;
  gid?: number;
}

/** What of a sandbox is on the host's disk. All but `pipes` and `trust` outlives it. */
export interface SandboxFolder {
  workspace: string;
  outputs: string;
  home: string;
  /** The host's own, which the sandbox may read. */
  tool_results: string;
  /** What the session mounts, in a folder for each of `mountRoots`: the host's own too. */
  mounts: string;
  pipes: string;
  /** For what of /etc is of this sandbox alone. */
  etc: string;
  /** For what its programs trust, while it runs. */
  trust: string;
  /** Whom they belong to and whom the sandbox runs as. Empty: as this process does. */
  user: User;
}

export interface SandboxFolders {
  /** Where the host puts what a session mounts in that sandbox, which need not be there yet. */
  mounts(id: string): string;
  /** They can be used until they are released. With `disk_bytes` all that the sandbox can write lies on a disk of that size. */
  open(id: string, disk_bytes: number | null): Promise<{ folder: SandboxFolder; release(): void }>;
  /** Null when there is none. */
  find(id: string): SandboxFolder | null;
  /** What is in them can be read until the returned function is called. */
  hold(id: string): Promise<() => void>;
  /** Makes the folders of a sandbox that has none, in a place that only this process can pass. */
  stage(id: string, disk_bytes: number | null): Promise<StagedFolder>;
  remove(id: string): Promise<void>;
}

export interface StagedFolder {
  path: string;
  folder: SandboxFolder;
  commit(): void;
  discard(): Promise<void>;
}

/**
 * With `uids`, each sandbox gets a host uid of its own, remembered as the owner of its workspace. Only its owner gets
 * into its folders; their parents may be passed by all.
 */
export function sandboxFolders(
  root: string,
  uids: { first: number; count: number } | null,
  disks: Disks = createDisks(root, { possible: false }),
): SandboxFolders {
  const trash = join(root, "trash");
  const base = join(root, "sandboxes");
  const staging = join(root, "staging");
  const mounts = join(root, "mounts");
  for (const folder of [root, base, mounts]) {
    mkdirSync(folder, { recursive: true });
    chmodSync(folder, 0o711);
  }
  for (const folder of [trash, staging]) mkdirSync(folder, { recursive: true, mode: 0o700 });
  // Begun by a process that did not live to see the end.
  for (const name of readdirSync(staging)) renameSync(join(staging, name), join(trash, name));
  for (const id of readdirSync(mounts).filter((id) => !existsSync(join(base, id))))
    renameSync(join(mounts, id), join(trash, `${id}.mounts.${process.hrtime.bigint()}`));
  const taken = new Set<number>();
  for (const id of readdirSync(base)) {
    const uid = ownerOf(join(base, id));
    if (uid !== null) taken.add(uid);
    // Of a sandbox that ended with the process that began it.
    rmSync(join(base, id, "trust"), { recursive: true, force: true });
  }

  /** Who may read what the host writes for it: the sandbox's own folders may lie on a disk that is not mounted. */
  function ownerOf(path: string): number | null {
    const uid = statSync(join(path, "tool_results"), { throwIfNoEntry: false })?.gid;
    return uids && uid !== undefined && uid >= uids.first && uid < uids.first + uids.count ? uid : null;
  }

  function freeUid(range: { first: number; count: number }): number {
    for (let uid = range.first; uid < range.first + range.count; uid++) if (!taken.has(uid)) return uid;
    throw new Error(
      `all ${range.count} user ids of the sandboxes are taken; delete sessions or widen the range`,
    );
  }

  function userOf(path: string): User {
    if (!uids) return {};
    const uid = ownerOf(path) ?? freeUid(uids);
    return { uid, gid: uid };
  }

  /** The sandbox may have closed its own folders to itself. */
  function openFolder(path: string, user: User): void {
    mkdirSync(path, { recursive: true });
    chmodSync(path, 0o700);
    if (user.uid === undefined || user.gid === undefined) return;
    chownSync(path, user.uid, user.gid);
    taken.add(user.uid);
  }

  function openOwnFolder(path: string, user: User): void {
    mkdirSync(path, { recursive: true });
    if (user.gid !== undefined) chownSync(path, process.getuid?.() ?? 0, user.gid);
    chmodSync(path, user.gid === undefined ? 0o700 : 0o750);
  }

  function openAll(id: string, path: string, user: User): SandboxFolder {
    mkdirSync(path, { recursive: true });
    chmodSync(path, 0o711);
    const folder = foldersIn(path, user, join(mounts, id));
    // First, for it tells whose the others are.
    openOwnFolder(folder.tool_results, user);
    for (const each of [folder.workspace, folder.outputs, folder.home]) openFolder(each, user);
    openOwnFolder(folder.mounts, user);
    for (const name of Object.keys(mountRoots)) {
      mkdirSync(join(folder.mounts, name), { recursive: true });
      chmodSync(join(folder.mounts, name), 0o755);
    }
    for (const each of [folder.pipes, folder.trust]) rmSync(each, { recursive: true, force: true });
    openFolder(folder.pipes, user);
    return folder;
  }

  /** The files of a sandbox that was made without a disk, on one. */
  async function giveDisk(path: string, bytes: number): Promise<void> {
    const name = `${basename(path)}.${process.hrtime.bigint()}`;
    const staged = join(staging, name);
    await disks.make(staged, bytes);
    const { workspace, outputs, home, tool_results } = foldersIn(path, {}, join(mounts, basename(path)));
    try {
      await promisify(execFile)("cp", ["-a", "--", workspace, outputs, home, diskIn(staged)]);
    } catch {
      await discard(staged, name);
      throw new Unavailable(`the files of the sandbox do not fit on a disk of ${bytes >> 20} MiB`);
    }
    renameSync(tool_results, join(staged, "tool_results"));
    renameSync(path, join(trash, name));
    disks.move(staged, path);
    await emptyTrash(trash);
  }

  async function discard(path: string, name: string): Promise<void> {
    await disks.drop(path);
    renameSync(path, join(trash, name));
    await emptyTrash(trash);
  }

  /** Until it is released. */
  async function withDisk(path: string, bytes: number | null): Promise<() => void> {
    const isNew = !existsSync(path);
    if (isNew && bytes !== null) await disks.make(path, bytes);
    else if (bytes !== null && !hasDisk(path)) await giveDisk(path, bytes);
    return hasDisk(path) ? disks.hold(path, bytes) : () => {};
  }

  async function inUse(id: string, path: string, user: User, disk_bytes: number | null) {
    const isNew = user.uid !== undefined && !taken.has(user.uid);
    if (user.uid !== undefined) taken.add(user.uid);
    let release = () => {};
    try {
      release = await withDisk(path, disk_bytes);
      return { folder: openAll(id, path, user), release };
    } catch (error) {
      release();
      if (isNew && user.uid !== undefined) taken.delete(user.uid);
      throw error;
    }
  }

  return {
    mounts: (id) => join(mounts, id),
    async open(id, disk_bytes) {
      const path = join(base, id);
      return inUse(id, path, userOf(path), disk_bytes);
    },
    find(id) {
      const path = join(base, id);
      const isThere = hasDisk(path) || existsSync(join(path, "workspace"));
      return isThere ? foldersIn(path, userOf(path), join(mounts, id)) : null;
    },
    hold: (id) => withDisk(join(base, id), null),
    async stage(id, disk_bytes) {
      const name = `${id}.${process.hrtime.bigint()}`;
      const path = join(staging, name);
      const { folder, release } = await inUse(id, path, userOf(join(base, id)), disk_bytes);
      return {
        path,
        folder,
        commit() {
          disks.move(path, join(base, id));
          release();
        },
        async discard() {
          release();
          await discard(path, name);
          if (folder.user.uid !== undefined) taken.delete(folder.user.uid);
        },
      };
    },
    async remove(id) {
      const folder = join(base, id);
      const name = `${id}.${process.hrtime.bigint()}`;
      if (existsSync(join(mounts, id)))
        renameSync(join(mounts, id), join(trash, `${id}.mounts.${process.hrtime.bigint()}`));
      if (!existsSync(folder)) return emptyTrash(trash);
      const uid = ownerOf(folder);
      // Renamed first, so that a half removed one is never taken for a workspace.
      await discard(folder, name);
      if (uid !== null) taken.delete(uid);
    },
  };
}

function foldersIn(path: string, user: User, mounts: string): SandboxFolder {
  const own = hasDisk(path) ? diskIn(path) : path;
  return {
    workspace: join(own, "workspace"),
    outputs: join(own, "outputs"),
    home: join(own, "home"),
    tool_results: join(path, "tool_results"),
    mounts,
    pipes: join(path, "pipes"),
    etc: join(path, "etc"),
    trust: join(path, "trust"),
    user,
  };
}

async function emptyTrash(trash: string): Promise<void> {
  for (const name of readdirSync(trash)) await removeTree(join(trash, name));
}
