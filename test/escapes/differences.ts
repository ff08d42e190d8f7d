import type { Holds } from "./attempt.ts";

/**
 * Where the sandboxes of a driver have another wall than those of bubblewrap, so that attempts end in another way. `holds` is
 * how they end there, and `why` it holds too.
 */
export interface Difference {
  group: string;
  attempts: string[];
  holds: Holds;
  why: string;
}

const ended = "the sandbox ended while the command ran";

export const ofGvisor: readonly Difference[] = [
  {
    group: "files and symlinks",
    attempts: ["a link through the root of the first process"],
    holds: "EACCES",
    why: "the first process is another user's",
  },
  {
    group: "files and symlinks",
    attempts: ["replacing the host's pipes and kept outputs"],
    holds: /^\{"\/run\/drover\/x": "EACCES", "[^"]+": "EROFS", "[^"]+": "EROFS"\}$/,
    why: "the folder of the pipes is closed to all but the first process",
  },
  {
    group: "hands socket and pipes",
    attempts: ["the pipes of calls, read and written by another call"],
    holds: "0, others live",
    why: "it is not even listed",
  },
  {
    group: "/proc and /sys",
    attempts: ["the kernel's settings", "a program of its own for the host's memory dumps"],
    holds: /^(closed|ENOENT|broken: AssertionError: )$/,
    why: "gVisor's kernel has few settings, and they are its own",
  },
  {
    group: "/proc and /sys",
    attempts: ["what tells of the machine's memory, kernel and devices"],
    holds: "['cmdline']",
    why: "gVisor's kernel has a command line of its own",
  },
  {
    group: "/proc and /sys",
    attempts: ["a descriptor of the host's"],
    holds: /^\[('host:\[\d+\]'(, )?)+\]$/,
    why: "so it calls the pipes by which the host speaks to the first process",
  },
  {
    group: "/proc and /sys",
    attempts: ["being spared when memory is short"],
    holds: "allowed",
    why: "nobody is spared by gVisor's kernel, and the host's does not hear of it",
  },
  {
    group: "devices",
    attempts: ["making devices and opening them", "a device in an archive"],
    holds: /^(ENXIO|allowed)$/,
    why: "gVisor's kernel has no driver for any of them",
  },
  {
    group: "devices",
    attempts: [
      "the machine's memory, log, disks, loops, virtual machines and tunnels",
      "devices beside the usual ones",
    ],
    holds: /^(\['fuse'\]|\{("(?!fuse")[^"]+": "ENOENT"(, )?|"fuse": "allowed"(, )?)+\})$/,
    why: "file systems of programs are within gVisor's kernel, and there is no right to mount them",
  },
  {
    group: "devices",
    attempts: ["devices on its mounts"],
    holds: /^\[/,
    why: "its mounts do not say it; gVisor's kernel knows no device of the host, whatever file names one",
  },
  {
    group: "devices",
    attempts: ["a terminal of somebody else"],
    holds: "EIO",
    why: "gVisor's word for there being none",
  },
  {
    group: "terminal tricks",
    attempts: ["a controlling terminal of the host's"],
    holds: "0 EIO",
    why: "gVisor's word for there being none",
  },
  {
    group: "terminal tricks",
    attempts: [
      "typing into a terminal, pasting, line disciplines",
      "typing, with other bits above the number",
    ],
    holds: "ENOTTY",
    why: "gVisor's terminals cannot",
  },
  {
    group: "mounts",
    attempts: ["fsopen", "fspick", "open_tree", "move_mount", "mount_setattr"],
    holds: "ENOSYS",
    why: "gVisor's kernel has no such call",
  },
  {
    group: "namespaces",
    attempts: [
      "unshare() of the mount namespace",
      "unshare() of the cgroup namespace",
      "unshare() of the user namespace",
      "unshare() of the time namespace",
      "clone() into new ones",
      "clone3",
      "setns() into those of the first process",
      "a sandbox in the sandbox",
    ],
    holds: /^(EPERM|ENOSYS|EINVAL|allowed|\{.*\}|broken: FileNotFoundError: .*\/proc\/1\/ns\/\w+'|refused)$/,
    why: "namespaces of gVisor's kernel, which give no right over anything outside them",
  },
  {
    group: "setuid and capabilities",
    attempts: ["programs that gain by a bit or by the capabilities of their file"],
    holds: /^1 /,
    why: "that nothing is gained holds for all; its mounts do not say it",
  },
  {
    group: "setuid and capabilities",
    attempts: ["capabilities on a file"],
    holds: /^broken: OSError: \[Errno 95\]/,
    why: "the host's files have no extended attributes there",
  },
  {
    group: "setuid and capabilities",
    attempts: ["taking back that nothing is gained, or that calls are filtered"],
    holds: "EINVAL EINVAL EINVAL EINVAL",
    why: "gVisor's kernel does not know how",
  },
  {
    group: "signals and ptrace",
    attempts: ["signalling, watching and limiting a process of the host"],
    holds: /^(ESRCH|\{("[^"]+": "(ESRCH|ENOSYS)"(, )?)+\})$/,
    why: "gVisor's kernel has no such call",
  },
  {
    group: "signals and ptrace",
    attempts: ["process_madvise", "process_vm_readv", "process_vm_writev", "pidfd_getfd"],
    holds: /^(EPERM|ENOSYS|broken: OSError: \[Errno 38\].*)$/,
    why: "gVisor's kernel has no such call, or refuses it for another user's process",
  },
  {
    group: "signals and ptrace",
    attempts: ["being first on the processors"],
    holds: `{"nice": "allowed", "real time": "EINVAL"}`,
    why: "it is noted, and nothing follows; the host's scheduler does not hear of it",
  },
  {
    group: "system calls",
    attempts: [
      ...["perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_setup", "add_key"],
      ...["request_key", "keyctl", "open_by_handle_at", "fanotify_init", "syslog"],
      ...["the page at address zero", "calls of another architecture"],
      "personalities that take protection away",
    ],
    holds: /^(EPERM|ENOSYS|ENODEV|EFAULT|EACCES|ENOTSUP|EINVAL|ENOMEM|allowed|0|broken: AssertionError: )$/,
    why: "answered by gVisor's kernel, in a process that has nothing but this sandbox",
  },
  {
    group: "sockets and the host's loopback",
    attempts: [
      "kinds of sockets that no namespace holds",
      "raw sockets",
      "protocols whose modules the kernel would load",
      "netlink: netfilter, audit, uevents, crypto, connector",
      "new interfaces and routes",
      "taking the loopback down, or listening to it",
    ],
    holds:
      /^(EPERM|EACCES|EAFNOSUPPORT|EPROTONOSUPPORT|ENOTTY|\{("(?!15")[^"]+": "(EPERM|EACCES|EAFNOSUPPORT|EPROTONOSUPPORT)"(, )?|"15": "allowed"(, )?)+\})$/,
    why: "gVisor's kernel has no such sockets; events of devices (15) are its own, of which there are none",
  },
  {
    group: "resource exhaustion",
    attempts: ["processes"],
    holds: /^(EAGAIN|the sandbox ended while the command ran)$/,
    why: "what processes share and change is copied in large pieces there, so that memory may end first",
  },
  {
    group: "resource exhaustion",
    attempts: [
      ...["memory", "memory of several processes together", "memory of files without names"],
      ...["memory of shared segments", "memory of the buffers of sockets"],
    ],
    holds: ended,
    why: "the memory of a sandbox is that of one process of the host",
  },
  {
    group: "resource exhaustion",
    attempts: [
      ...["watches of files", "message queues", "timers and queued signals"],
      ...["asynchronous I/O, of which the machine has one share for all", "keyrings"],
    ],
    holds: /^(allowed|EMFILE|ENOSPC|ENOMEM|EAGAIN|EACCES|ENOSYS)$/,
    why: "they are memory of gVisor's kernel, and so of the sandbox",
  },
];

export const ofDocker: readonly Difference[] = [
  {
    group: "/proc and /sys",
    attempts: ["the host's environment, in any process"],
    holds: "[b'HOSTNAME']",
    why: "the engine sets it, to the name that it is given",
  },
  {
    group: "/proc and /sys",
    attempts: ["what is in /sys, and the controls of cgroups"],
    holds: /^\['sysfs \/sys /,
    why: "it is mounted read-only, and an empty folder covers it",
  },
  {
    group: "resource exhaustion",
    attempts: ["space elsewhere that is memory"],
    holds: /^(none|\['\/dev\/mqueue'\])$/,
    why: "message queues, of which a user has 800 KiB at most",
  },
  {
    group: "devices",
    attempts: ["devices beside the usual ones"],
    holds: "['mqueue']",
    why: "the message queues of its own namespace",
  },
  {
    group: "devices",
    attempts: ["devices on its mounts"],
    holds: /^\[/,
    why: "the engine binds folders without saying so, and its cgroup of devices opens none",
  },
  {
    group: "setuid and capabilities",
    attempts: ["programs that gain by a bit or by the capabilities of their file"],
    holds: /^1 \[/,
    why: "the engine binds folders without saying so; that nothing is gained holds for all",
  },
  {
    group: "system calls",
    attempts: ["io_setup", "memfd_secret"],
    holds: /^(ENOSYS|EPERM)$/,
    why: "the same filter, by engines that know one answer for all that it does not list",
  },
  {
    group: "resource exhaustion",
    attempts: ["asynchronous I/O, of which the machine has one share for all"],
    holds: /^(ENOSYS|EPERM)$/,
    why: "the same filter, by engines that know one answer for all that it does not list",
  },
  {
    group: "hands socket and pipes",
    attempts: ["what the host says to the first process, and is answered"],
    holds: "allowed",
    why: "they are pipes, of which the host believes no more than what one sandbox may say of itself",
  },
];
