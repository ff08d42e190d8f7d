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
import { dirname, join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

/** Limits on a sandbox as a whole. */
export interface Cgroups {
  /** `cgroup v2` or `cgroup v1`. */
  readonly description: string;
  limits(controller: Controller): boolean;
  create(name: string, limits: CgroupLimits): Cgroup;
}

export type Controller = "cpu" | "memory" | "pids";

export interface CgroupLimits {
  /** Processor cores; null is no limit. */
  cpu: number | null;
  memory_bytes: number;
  processes: number;
}

export interface Cgroup {
  /** False when the process is gone already. */
  add(pid: number): boolean;
  /** Every process in it, whatever has become of its first. */
  kill(): void;
  /** Once its processes are gone. */
  remove(): Promise<void>;
}

/** One folder under which sandboxes get theirs, and how its controllers spell their limits. */
interface Tree {
  folder: string;
  /** Those that limit something; known once it is open. */
  controllers: Controller[];
  /** Makes the folder; true when sandboxes can get limits under it. */
  open(): boolean;
  write(folder: string, limits: CgroupLimits): void;
}

const controllers: Controller[] = ["cpu", "memory", "pids"];
/** The time over which a share of the processors is counted, in `us`. */
const cpuPeriod = 100_000;
const killTries = 20;

/** Null where no cgroup can be made here. What an earlier process left behind under the same `owner` is removed. */
export function findCgroups(owner: string): Cgroups | null {
  const name = `drover-${createHash("sha256").update(owner).digest("hex").slice(0, 8)}`;
  const mounts = cgroupMounts();
  const unified = mounts.find((mount) => mount.type === "cgroup2");
  const v2 = unified ? v2Tree(unified, name) : null;
  const trees = v2 ? [v2] : controllers.flatMap((controller) => v1Tree(mounts, controller, name) ?? []);
  if (trees.length === 0) return null;
  const limited = trees.flatMap((tree) => tree.controllers);
  return {
    description: `cgroup ${v2 ? "v2" : "v1"}`,
    limits: (controller) => limited.includes(controller),
    create: (sandbox, limits) => createCgroup(trees, sandbox, limits),
  };
}

function createCgroup(trees: Tree[], name: string, limits: CgroupLimits): Cgroup {
  const folders = trees.map((tree) => {
    const folder = join(tree.folder, name);
    tree.open();
    mkdirSync(folder, { recursive: true });
    tree.write(folder, limits);
    return folder;
  });
  return {
    add(pid) {
      try {
        for (const folder of folders) writeControl(join(folder, "cgroup.procs"), String(pid));
        return true;
      } catch (error) {
        if (error instanceof Error && "code" in error && error.code === "ESRCH") return false;
        throw error;
      }
    },
    kill: () => folders.forEach(killAll),
    async remove() {
      for (const folder of folders) {
        // A reaped process leaves its cgroup a moment later.
        for (let tries = 0; tries < 50 && !tryRmdir(folder); tries++) await delay(10);
        // Refused while other sandboxes have theirs beside it.
        tryRmdir(dirname(folder));
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

function v1Tree(mounts: Mount[], controller: Controller, name: string): Tree | null {
  const mount = mounts.find((each) => each.type === "cgroup" && each.options.includes(controller));
  if (!mount) return null;
  for (const parent of [join(mount.folder, ownCgroup(controller)), mount.folder]) {
    const folder = join(parent, name);
    const open = () => makeFolder(folder);
    const tree = { folder, controllers: [controller], open, write: v1Limits[controller] };
    if (works(tree)) return tree;
  }
  return null;
}

const v1Limits: Record<Controller, Tree["write"]> = {
  cpu(folder, { cpu }) {
    const quota = cpu === null ? -1 : Math.ceil(cpu * cpuPeriod);
    writeControl(join(folder, "cpu.cfs_period_us"), String(cpuPeriod));
    // More than a cgroup above has is refused, and that one's limit is the stricter.
    orLess(() => writeControl(join(folder, "cpu.cfs_quota_us"), String(quota)));
  },
  memory(folder, { memory_bytes }) {
    writeControl(join(folder, "memory.limit_in_bytes"), String(memory_bytes));
    const withSwap = join(folder, "memory.memsw.limit_in_bytes");
    if (existsSync(withSwap)) writeControl(withSwap, String(memory_bytes));
  },
  pids(folder, { processes }) {
    writeControl(join(folder, "pids.max"), String(processes));
  },
};

/**
 * A v2 cgroup that has processes of its own cannot hand controllers to children, the root excepted. So: the own one,
 * its parent (which a service manager delegates together with it), the root.
 */
function v2Tree(mount: Mount, name: string): Tree | null {
  const own = resolve(join(mount.folder, ownCgroup("")));
  const delegated = own === mount.folder ? own : dirname(own);
  for (const parent of new Set([own, delegated, mount.folder])) {
    const folder = join(parent, name);
    const tree: Tree = { folder, controllers: [], open, write };
    function open(): boolean {
      const given = controllers.filter((each) => delegate(parent, each));
      tree.controllers = makeFolder(folder) ? given.filter((each) => delegate(folder, each)) : [];
      return tree.controllers.length > 0;
    }
    function write(sandbox: string, limits: CgroupLimits): void {
      for (const controller of tree.controllers) v2Limits[controller](sandbox, limits);
    }
    if (works(tree)) return tree;
  }
  return null;
}

const v2Limits: Record<Controller, Tree["write"]> = {
  cpu(folder, { cpu }) {
    const quota = cpu === null ? "max" : Math.ceil(cpu * cpuPeriod);
    writeControl(join(folder, "cpu.max"), `${quota} ${cpuPeriod}`);
  },
  memory(folder, { memory_bytes }) {
    writeControl(join(folder, "memory.max"), String(memory_bytes));
    const swap = join(folder, "memory.swap.max");
    if (existsSync(swap)) writeControl(swap, "0");
  },
  pids(folder, { processes }) {
    writeControl(join(folder, "pids.max"), String(processes));
  },
};

function delegate(folder: string, controller: Controller): boolean {
  return succeeds(() => writeControl(join(folder, "cgroup.subtree_control"), `+${controller}`));
}

function works(tree: Tree): boolean {
  const probe = join(tree.folder, "probe");
  const opened = tree.open();
  const ok =
    opened &&
    succeeds(() => {
      mkdirSync(probe, { recursive: true });
      accessSync(join(probe, "cgroup.procs"));
      tree.write(probe, { cpu: 0.1, memory_bytes: 1 << 30, processes: 64 });
    });
  tryRmdir(probe);
  if (ok) removeLeftovers(tree.folder);
  tryRmdir(tree.folder);
  return ok;
}

function removeLeftovers(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    killAll(join(folder, entry.name));
    tryRmdir(join(folder, entry.name));
  }
}

/** Version 1 has no such control. There each process is killed by itself, and what they have started meanwhile after them. */
function killAll(folder: string): void {
  if (succeeds(() => writeControl(join(folder, "cgroup.kill"), "1"))) return;
  for (let tries = 0; tries < killTries; tries++) {
    const pids = processesIn(folder);
    if (pids.length === 0) return;
    for (const pid of pids) succeeds(() => process.kill(pid, "SIGKILL"));
  }
}

/** None where the folder is gone; one of another process namespace has no number here. */
function processesIn(folder: string): number[] {
  try {
    const lines = readFileSync(join(folder, "cgroup.procs"), "utf8").split("\n");
    return lines.map(Number).filter((pid) => pid > 0);
  } catch {
    return [];
  }
}

function orLess(write: () => void): void {
  try {
    write();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EINVAL") throw error;
  }
}

/** Never makes a file: where none is, there is no such control. */
const writeControl = (path: string, value: string) => writeFileSync(path, value, { flag: "r+" });
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
