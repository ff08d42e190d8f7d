import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Start } from "../../src/hands/drivers/bubblewrap.ts";
import { testSpec } from "../../src/hands/testing.ts";
import { mountRoots, type SandboxSpec } from "../../src/hands/wire.ts";
import { sharedMemoryKeys } from "./rig.ts";
import { type Change, changing, mounted, replaced, uncovered, without, writable } from "./walls.ts";

/** A sandbox of bubblewrap without one of its walls, or some that stand behind each other. */
export interface Weakening {
  name: string;
  weaken(start: Start, data_dir: string): Start;
  spec?: SandboxSpec;
  /** What leaves the machine if nothing holds it is not tried. */
  leads_out?: true;
  /** Private addresses that the egress process leads to all the same. */
  opened?: string[];
  /** Groups of which all is tried, what takes long too. */
  tries?: string[];
  /** Of what it leaves behind on the host. */
  clean?(): void;
  /** The groups of which something gets through. */
  falls: string[];
}

const noFilter = without("--seccomp", 1);
const ownUser: Change = (args) => args.filter((each) => !/^--set[ug]id=/.test(each));

export const weakenings: readonly Weakening[] = [
  {
    name: "without a filter of system calls",
    weaken: changing(noFilter, without("--disable-userns")),
    falls: [
      "namespaces",
      "resource exhaustion",
      "signals and ptrace",
      "sockets and the host's loopback",
      "system calls",
      "terminal tricks",
    ],
  },
  {
    name: "with capabilities in its user namespace, and no filter",
    weaken: changing(noFilter, replaced(["--cap-drop", "ALL"], ["--cap-add", "ALL"])),
    falls: [
      "mounts",
      "namespaces",
      "resource exhaustion",
      "setuid and capabilities",
      "signals and ptrace",
      "sockets and the host's loopback",
      "system calls",
      "terminal tricks",
    ],
  },
  {
    name: "as the host's root, with its capabilities, no filter, /proc as it comes, and what is mounted to be written",
    weaken: changing(
      ...[noFilter, ownUser, uncovered("/proc/"), without("--disable-userns"), without("--unshare-user")],
      ...[without("--uid", 1), without("--gid", 1), replaced(["--cap-drop", "ALL"], ["--cap-add", "ALL"])],
      writable(Object.values(mountRoots)),
    ),
    tries: ["what the session mounts"],
    falls: [
      "/proc and /sys",
      "devices",
      "files and symlinks",
      "mounts",
      "namespaces",
      "resource exhaustion",
      "setuid and capabilities",
      "signals and ptrace",
      "sockets and the host's loopback",
      "system calls",
      "terminal tricks",
      "what the session mounts",
    ],
  },
  {
    name: "with what is mounted to be written",
    weaken: changing(writable(Object.values(mountRoots))),
    falls: ["files and symlinks", "what the session mounts"],
  },
  {
    name: "with /proc as it comes",
    weaken: changing(uncovered("/proc/")),
    falls: ["/proc and /sys"],
  },
  {
    name: "with the host's network",
    weaken: changing((args) => args.filter((each) => !each.startsWith("--net="))),
    leads_out: true,
    falls: ["other sandboxes", "sockets and the host's loopback"],
  },
  {
    name: "with routes to everywhere, all of which end in its own loopback",
    weaken: changing((args) => {
      const [net = "", ...rest] = args;
      const routes = "ip route add local default dev lo && ip -6 route add local default dev lo || exit";
      return [net, "--", "sh", "-c", `${routes}; exec nsenter "$@"`, "nsenter", ...rest];
    }),
    falls: ["DNS", "cloud metadata addresses", "sockets and the host's loopback"],
  },
  {
    name: "with the host's disk beside its own",
    weaken: changing(mounted("--ro-bind", "/", "/host")),
    falls: ["/proc and /sys", "files and symlinks", "other sandboxes", "sockets and the host's loopback"],
  },
  {
    name: "with the host's data directory where it is",
    weaken: (start, data_dir) => changing(mounted("--ro-bind", data_dir, data_dir))(start),
    falls: ["files and symlinks", "/proc and /sys", "other sandboxes", "sockets and the host's loopback"],
  },
  {
    name: "with a root and a /dev that it may write to",
    weaken: changing(without("--remount-ro", 1)),
    falls: ["files and symlinks", "resource exhaustion"],
  },
  {
    name: "with an egress process that leads to the host's loopback",
    weaken: (start) => start,
    opened: ["127.0.0.0/8"],
    falls: ["cloud metadata addresses", "sockets and the host's loopback"],
  },
  {
    name: "with one /tmp for all",
    weaken(start, data_dir) {
      const shared = join(data_dir, "shared");
      mkdirSync(shared, { recursive: true });
      chmodSync(shared, 0o1777);
      return changing(mounted("--bind", shared, "/tmp"))(start);
    },
    falls: ["other sandboxes"],
  },
  {
    name: "with the host's shared memory",
    weaken: changing(without("--unshare-ipc")),
    clean: () =>
      execFileSync(
        "ipcrm",
        sharedMemoryKeys.flatMap((key) => ["-M", key]),
      ),
    falls: ["other sandboxes"],
  },
  {
    name: "with the host's devices",
    weaken: changing(replaced(["--dev", "/dev", "--remount-ro", "/dev"], ["--dev-bind", "/dev", "/dev"])),
    falls: ["devices"],
  },
  {
    name: "with the host's environment",
    weaken: (start) => ({ ...start, env: { DROVER_MASTER_KEY: "a secret", PATH: process.env.PATH ?? "" } }),
    falls: ["/proc and /sys"],
  },
  {
    name: "with pipes that it may replace",
    weaken: (start) =>
      changing((args) => args.map((each, n) => (args[n + 2] === "/run/drover" ? "--bind" : each)))(start),
    tries: ["hands socket and pipes"],
    falls: ["files and symlinks", "hands socket and pipes"],
  },
  {
    name: "without limits",
    weaken: (start) => start,
    spec: {
      ...testSpec,
      limits: {
        ...testSpec.limits,
        ...{ processes: 4_096, memory_bytes: 4 * 2 ** 30, tmp_bytes: 64 << 20, file_bytes: 2 ** 41 },
      },
    },
    tries: ["resource exhaustion"],
    falls: ["resource exhaustion"],
  },
];

/** What no weakening lets through, and why. The name of a group stands for all of its attempts. */
export const heldOtherwise: readonly { why: string; what: string[] }[] = [
  {
    why: "what holds there is code of the host's, and they fail where that is changed",
    what: [
      ...["races on the workspace", "output floods", "hands socket and pipes", "DNS"],
      "files and symlinks: traps for a checkpoint: links, pipes, holes, odd names, folders without end",
      "files and symlinks: traps for the tools, whose results are the host's",
      "files and symlinks: traps for the removal of a workspace",
      "terminal tricks: escape sequences in what tools say, in the terminal of `drover run`",
      "terminal tricks: escape sequences in what the server logs, in the terminal of `drover up`",
      "terminal tricks: control characters in the names of files",
      "other sandboxes: their name before the egress process",
    ],
  },
  {
    why: "of the addresses that the egress process refuses, a test may open those of the loopback alone",
    what: ["cloud metadata addresses"],
  },
  {
    why: "without a process namespace, the end of a sandbox's first process would not be that of the others",
    what: [
      "/proc and /sys: the host's processes",
      "/proc and /sys: a descriptor of the host's",
      "/proc and /sys: another map of user ids",
      "signals and ptrace: signalling, watching and limiting a process of the host",
      "signals and ptrace: killing all that it can, its first process and its host's",
      "other sandboxes: their processes",
      "terminal tricks: a controlling terminal of the host's",
    ],
  },
  {
    why: "the kernel holds it too, whatever bubblewrap is told, or has no such thing on some machines",
    what: [
      "files and symlinks: a hard link to a program of the host",
      "what the session mounts: moving something of its own there",
      "what the session mounts: a hard link to it, of which it could change more",
      "what the session mounts: its pages, in memory that is shared and can be written",
      "files and symlinks: a set-user-id bit that the host's disk would keep",
      "/proc and /sys: what restarts or stops the machine",
      "/proc and /sys: being spared when memory is short",
      "devices: a terminal of somebody else",
      "system calls: calls that no table knows",
      "resource exhaustion: open files",
      "resource exhaustion: pipes",
      "resource exhaustion: watches of files",
      "resource exhaustion: message queues",
      "resource exhaustion: timers and queued signals",
    ],
  },
];
