import type { Driver, Enforcement, KeptFolder, Namespace, PrepareOptions, Sandbox } from "../driver.ts";
import { Unavailable } from "../driver.ts";
import { plainSpec } from "../plain-spec.ts";
import type { SandboxSpec } from "../wire.ts";
import { createDisks } from "./disks.ts";
import { refusalOf } from "./enforcement.ts";
import { outputsInside, toolResultsInside } from "./isolation.ts";
import { inside } from "./root-filesystem.ts";
import { type SandboxFolder, sandboxFolders } from "./sandbox-folders.ts";
import { removeTrust } from "./trust.ts";

/** Host user ids for sandboxes, one each, when this process is root. */
export interface UserIds {
  first: number;
  count: number;
}

export interface FolderDriverOptions {
  /** Holds the workspaces. Every user must be able to pass the folders above it. */
  data_dir: string;
  uids: UserIds | null;
  name: string;
  describe(): Promise<string>;
  /** `disk`: why the disk of a sandbox cannot be limited here, if so. */
  enforces(disk: string | null): Promise<Enforcement>;
  /**
   * Looks up all that a sandbox of this spec needs, before anything is begun that would have to be removed; what it
   * returns begins one. Throws `Unavailable` when it cannot be.
   */
  plan(spec: SandboxSpec): Promise<Begin>;
  prepare(spec: SandboxSpec, options: PrepareOptions): Promise<void>;
  close?(): Promise<void>;
}

/** `folder` is the sandbox's until its `ended` resolves. */
export type Begin = (id: string, folder: SandboxFolder, network: Namespace | undefined) => Promise<Sandbox>;

export const defaultUids: UserIds = { first: 1_900_000_000, count: 100_000 };

const checkSpec: SandboxSpec = {
  ...plainSpec,
  limits: {
    ...plainSpec.limits,
    processes: 64,
    memory_bytes: 256 << 20,
    tmp_bytes: 1 << 20,
    file_bytes: 1 << 20,
  },
};

/** A driver whose sandboxes have their files in folders of this host, whatever else they are. */
export function folderDriver({ data_dir, uids, name, plan, ...options }: FolderDriverOptions): Driver {
  const disks = createDisks(data_dir, { possible: uids !== null });
  const folders = sandboxFolders(data_dir, uids, disks);
  const enforces = async () => options.enforces(await disks.missing());

  /** A disk of its own costs more than a folder, and is for those whose disk space has a limit. */
  async function diskBytesOf({ limits: { disk_bytes } }: SandboxSpec): Promise<number | null> {
    return disk_bytes !== null && (await disks.missing()) === null ? disk_bytes : null;
  }

  async function provision(id: string, spec: SandboxSpec, network?: Namespace): Promise<Sandbox> {
    const reason = await refusalOf(spec, enforces);
    if (reason !== null) throw new Unavailable(reason);
    const begin = await plan(spec);
    const { folder, release } = await folders.open(id, await diskBytesOf(spec));
    const over = () => {
      removeTrust(folder.trust);
      release();
    };
    try {
      const sandbox = await begin(id, folder, network);
      sandbox.ended.then(over);
      return sandbox;
    } catch (error) {
      over();
      throw error;
    }
  }

  return {
    name,
    describe: options.describe,
    enforces,
    prepare: options.prepare,
    provision,
    forget: (id) => folders.remove(id),
    keptFolders(id) {
      const folder = folders.find(id);
      return folder && keptFolders(folder);
    },
    hold: folders.hold,
    mounts: folders.mounts,
    async stage(id, spec) {
      const { path, folder, commit, discard } = await folders.stage(id, await diskBytesOf(spec));
      return { path, folders: keptFolders(folder), commit, discard };
    },
    async check() {
      try {
        await (await provision("sbx_check", checkSpec)).destroy();
        return null;
      } catch (error) {
        if (error instanceof Unavailable) return error.message;
        throw error;
      } finally {
        await folders.remove("sbx_check");
      }
    },
    async close() {
      await options.close?.();
      await disks.close();
    },
  };
}

function keptFolders({ workspace, home, outputs, tool_results, user }: SandboxFolder): KeptFolder[] {
  const { uid, gid } = user;
  const owner = uid === undefined || gid === undefined ? null : { uid, gid };
  return [
    { name: "workspace", path: workspace, inside: "/workspace", owner },
    { name: "home", path: home, inside: inside.home, owner },
    { name: "outputs", path: outputs, inside: outputsInside, owner },
    {
      name: "tool_results",
      path: tool_results,
      inside: toolResultsInside,
      owner: owner && { uid: process.getuid?.() ?? 0, gid: owner.gid },
    },
  ];
}
