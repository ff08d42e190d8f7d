import { createHash } from "node:crypto";
import {
  accessSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

/** Limits on a sandbox as a whole. */
export interface Cgroups {
  /** Such as `cgroup v2 (memory, pids)`. */
  readonly description: string;
  readonly limitsMemory: boolean;
  create(name: string, limits: CgroupLimits): Cgroup;
}

export interface CgroupLimits {
  memory_bytes: number;
  processes: number;
}

export interface Cgroup {
  add(pid: number): void;
  /** Once its processes are gone. */
  remove(): Promise<void>;
}

/** One folder under which sandboxes get theirs, and how its controllers spell their limits. */
interface Tree {
  folder: string;
  controllers: string[];
  write(folder: string, limits: CgroupLimits): void;
}

const controllers = ["memory", "pids"];

/** Null where no cgroup can be made here. What an earlier process left behind under the same `owner` is removed. */
export function findCgroups(owner: string): Cgroups | null {
  const name = `drover-${createHash("sha256").update(owner).digest("hex").slice(0, 8)}`;
  const mounts = cgroupMounts();
  const unified = mounts.find((mount) => mount.type === "cgroup2");
  const v2 = unified ? v2Tree(unified, name) : null;
  const trees = v2 ? [v2] : controllers.flatMap((controller) => v1Tree(mounts, controller, name) ?? []);
  if (trees.length === 0) return null;
  for (const tree of trees) removeLeftovers(tree.folder);
  const limited = trees.flatMap((tree) => tree.controllers);
  return {
    description: `cgroup ${v2 ? "v2" : "v1"} (${limited.join(", ")})`,
    limitsMemory: limited.includes("memory"),
    create: (sandbox, limits) => createCgroup(trees, sandbox, limits),
  };
}

function createCgroup(trees: Tree[], name: string, limits: CgroupLimits): Cgroup {
  const folders = trees.map((tree) => {
    const folder = join(tree.folder, name);
    mkdirSync(folder, { recursive: true });
    tree.write(folder, limits);
    return folder;
  });
  return {
    add(pid) {
      for (const folder of folders) writeFileSync(join(folder, "cgroup.procs"), String(pid));
    },
    async remove() {
      for (const folder of folders) {
        // A reaped process leaves its cgroup a moment later.
        for (let tries = 0; tries < 50 && !tryRmdir(folder); tries++) await delay(10);
      }
    },
  };
}

interface Mount {
  type: string;
  folder: string;
  options: string[];
}

function cgroupMounts(): Mount[] {
  const lines = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  return lines.flatMap((line) => {
    const [before = "", after = ""] = line.split(" - ");
    const [type = "", , options = ""] = after.split(" ");
    const folder = before.split(" ")[4] ?? "";
    return type === "cgroup" || type === "cgroup2" ? [{ type, folder, options: options.split(",") }] : [];
  });
}

/** Of this process, by controller; the empty name is v2's. */
function ownCgroup(controller: string): string {
  for (const line of readFileSync("/proc/self/cgroup", "utf8").split("\n")) {
    const [, names = "", path = "/"] = line.split(":");
    if (names.split(",").includes(controller)) return path;
  }
  return "/";
}

function v1Tree(mounts: Mount[], controller: string, name: string): Tree | null {
  const mount = mounts.find((each) => each.type === "cgroup" && each.options.includes(controller));
  if (!mount) return null;
  for (const parent of [join(mount.folder, ownCgroup(controller)), mount.folder]) {
    const folder = join(parent, name);
    const tree = { folder, controllers: [controller], write: v1Limits[controller] ?? (() => {}) };
    if (works(tree)) return tree;
  }
  return null;
}

const v1Limits: Record<string, Tree["write"]> = {
  memory(folder, { memory_bytes }) {
    writeFileSync(join(folder, "memory.limit_in_bytes"), String(memory_bytes));
    const withSwap = join(folder, "memory.memsw.limit_in_bytes");
    if (existsSync(withSwap)) writeFileSync(withSwap, String(memory_bytes));
  },
  pids(folder, { processes }) {
    writeFileSync(join(folder, "pids.max"), String(processes));
  },
};

/**
 * A v2 cgroup that has processes of its own cannot hand controllers to children, the root excepted. So: the own one,
 * its parent (which a service manager delegates together with it), the root.
 */
function v2Tree(mount: Mount, name: string): Tree | null {
  const own = join(mount.folder, ownCgroup(""));
  for (const parent of new Set([own, own === mount.folder ? own : dirname(own), mount.folder])) {
    const folder = join(parent, name);
    const tree: Tree = { folder, controllers, write: v2Limits };
    if (delegate(parent) && makeFolder(folder) && delegate(folder) && works(tree)) return tree;
  }
  return null;
}

function v2Limits(folder: string, { memory_bytes, processes }: CgroupLimits): void {
  writeFileSync(join(folder, "memory.max"), String(memory_bytes));
  const swap = join(folder, "memory.swap.max");
  if (existsSync(swap)) writeFileSync(swap, "0");
  writeFileSync(join(folder, "pids.max"), String(processes));
}

function delegate(folder: string): boolean {
  return succeeds(() =>
    writeFileSync(join(folder, "cgroup.subtree_control"), controllers.map((each) => `+${each}`).join(" ")),
  );
}

function works(tree: Tree): boolean {
  const probe = join(tree.folder, "probe");
  const ok = succeeds(() => {
    mkdirSync(probe, { recursive: true });
    accessSync(join(probe, "cgroup.procs"));
    tree.write(probe, { memory_bytes: 1 << 30, processes: 64 });
  });
  tryRmdir(probe);
  if (!ok) tryRmdir(tree.folder);
  return ok;
}

function removeLeftovers(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) tryRmdir(join(folder, entry.name));
  }
}

const makeFolder = (folder: string) => succeeds(() => mkdirSync(folder, { recursive: true }));
const tryRmdir = (folder: string) => !existsSync(folder) || succeeds(() => rmdirSync(folder));

/** Whether the kernel lets us: its refusals are the answer here, of whatever kind. */
function succeeds(attempt: () => void): boolean {
  try {
    attempt();
    return true;
  } catch {
    return false;
  }
}
