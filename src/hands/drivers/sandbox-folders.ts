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
import { join } from "node:path";
import { promisify } from "node:util";

export interface User {
  uid?: number;
  gid?: number;
}

/** What of a sandbox is on the host's disk. All but `pipes` outlives it. */
export interface SandboxFolder {
  workspace: string;
  outputs: string;
  home: string;
  /** The host's own, which the sandbox may read. */
  tool_results: string;
  pipes: string;
  /** For what of /etc is of this sandbox alone. */
  etc: string;
  /** Whom they belong to and whom the sandbox runs as. Empty: as this process does. */
  user: User;
}

export interface SandboxFolders {
  open(id: string): SandboxFolder;
  /** Null when there is none. */
  find(id: string): SandboxFolder | null;
  /** Makes the folders of a sandbox that has none, in a place that only this process can pass. */
  stage(id: string): { path: string; folder: SandboxFolder; commit(): void; discard(): Promise<void> };
  remove(id: string): Promise<void>;
  /** One such as sandboxes run as, be it no sandbox's. */
  anyUser(): User;
}

/**
 * With `uids`, each sandbox gets a host uid of its own, remembered as the owner of its workspace. Only its owner gets
 * into its folders; their parents may be passed by all.
 */
export function sandboxFolders(root: string, uids: { first: number; count: number } | null): SandboxFolders {
  const trash = join(root, "trash");
  const base = join(root, "sandboxes");
  const staging = join(root, "staging");
  for (const folder of [root, base]) {
    mkdirSync(folder, { recursive: true });
    chmodSync(folder, 0o711);
  }
  for (const folder of [trash, staging]) mkdirSync(folder, { recursive: true, mode: 0o700 });
  // Begun by a process that did not live to see the end.
  for (const name of readdirSync(staging)) renameSync(join(staging, name), join(trash, name));
  const taken = new Set<number>();
  for (const id of readdirSync(base)) {
    const uid = ownerOf(join(base, id, "workspace"));
    if (uid !== null) taken.add(uid);
  }

  function ownerOf(workspace: string): number | null {
    const uid = statSync(workspace, { throwIfNoEntry: false })?.uid;
    return uids && uid !== undefined && uid >= uids.first && uid < uids.first + uids.count ? uid : null;
  }

  function freeUid(range: { first: number; count: number }): number {
    for (let uid = range.first; uid < range.first + range.count; uid++) if (!taken.has(uid)) return uid;
    throw new Error(
      `all ${range.count} user ids of the sandboxes are taken; delete sessions or widen the range`,
    );
  }

  function userOf(workspace: string): User {
    if (!uids) return {};
    const uid = ownerOf(workspace) ?? freeUid(uids);
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

  function openAll(path: string, user: User): SandboxFolder {
    mkdirSync(path, { recursive: true });
    chmodSync(path, 0o711);
    const folder = foldersIn(path, user);
    for (const each of [folder.workspace, folder.outputs, folder.home]) openFolder(each, user);
    rmSync(folder.pipes, { recursive: true, force: true });
    openFolder(folder.pipes, user);
    openOwnFolder(folder.tool_results, user);
    return folder;
  }

  return {
    open(id) {
      const path = join(base, id);
      return openAll(path, userOf(join(path, "workspace")));
    },
    find(id) {
      const path = join(base, id);
      const workspace = join(path, "workspace");
      return existsSync(workspace) ? foldersIn(path, userOf(workspace)) : null;
    },
    stage(id) {
      const name = `${id}.${process.hrtime.bigint()}`;
      const path = join(staging, name);
      const folder = openAll(path, userOf(join(base, id, "workspace")));
      return {
        path,
        folder,
        commit: () => renameSync(path, join(base, id)),
        async discard() {
          renameSync(path, join(trash, name));
          if (folder.user.uid !== undefined) taken.delete(folder.user.uid);
          await emptyTrash(trash);
        },
      };
    },
    async remove(id) {
      const folder = join(base, id);
      if (!existsSync(folder)) return;
      const uid = ownerOf(join(folder, "workspace"));
      // Renamed first, so that a half removed one is never taken for a workspace.
      renameSync(folder, join(trash, `${id}.${process.hrtime.bigint()}`));
      await emptyTrash(trash);
      if (uid !== null) taken.delete(uid);
    },
    anyUser: () => (uids ? { uid: uids.first, gid: uids.first } : {}),
  };
}

function foldersIn(path: string, user: User): SandboxFolder {
  return {
    workspace: join(path, "workspace"),
    outputs: join(path, "outputs"),
    home: join(path, "home"),
    tool_results: join(path, "tool_results"),
    pipes: join(path, "pipes"),
    etc: join(path, "etc"),
    user,
  };
}

/** By `rm`, which reaches what lies deeper than a path can name. */
async function emptyTrash(trash: string): Promise<void> {
  const run = promisify(execFile);
  for (const name of readdirSync(trash)) {
    const path = join(trash, name);
    // Folders that their owner cannot enter hide their contents from `rm`; links are not followed.
    await run("chmod", ["-R", "u+rwX", "--", path]).catch(() => {});
    await run("rm", ["-rf", "--", path]);
  }
}
