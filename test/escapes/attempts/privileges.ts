import { exec } from "../../../src/hands/testing-host.ts";
import type { Group, Probe } from "../attempt.ts";
import { victim } from "../rig.ts";

/** With arguments that do nothing where the call is let through. */
const call = (name: string, args = "0, 0, 0, 0, 0", holds: Probe["holds"] = "EPERM"): Probe => ({
  name,
  program: `said = call("${name}", ${args})`,
  holds,
});

export const mounts: Group = {
  name: "mounts",
  attempts: [
    {
      name: "mounting a tmpfs, a /proc, a /sys, an overlay, a fuse",
      program: `
os.makedirs("/tmp/m", exist_ok=True)
kinds = [b"tmpfs", b"proc", b"sysfs", b"overlay", b"fuse", b"cgroup2", b"devtmpfs", b"ext4"]
said = all_of({str(kind): call("mount", kind, b"/tmp/m", kind, 0, 0) for kind in kinds})`,
      holds: "EPERM",
    },
    {
      name: "other options for mounts of the host's",
      program: `
MS_RDONLY, MS_REMOUNT, MS_BIND = 1, 32, 4096
# As they are, so that nothing becomes writable where the call is let through.
said = all_of({path: call("mount", 0, path.encode(), 0, MS_RDONLY | MS_REMOUNT | MS_BIND, 0) for path in ["/", "/usr", "/proc/sys", "/run/drover"]})`,
      holds: "EPERM",
    },
    {
      name: "binding, moving and sharing mounts",
      program: `
os.makedirs("/tmp/m", exist_ok=True)
MS_BIND, MS_MOVE, MS_REC, MS_SHARED = 4096, 8192, 16384, 1 << 20
said = all_of({str(flags): call("mount", b"/mnt", b"/tmp/m", 0, flags, 0) for flags in [MS_BIND, MS_BIND | MS_REC, MS_MOVE, MS_SHARED | MS_REC]})`,
      holds: "EPERM",
    },
    {
      name: "taking a cover off",
      program: `
MNT_DETACH = 2
said = all_of({path: call("umount2", path.encode(), MNT_DETACH) for path in ["/proc/sys", "/proc/cmdline", "/dev/shm"]})`,
      holds: "EPERM",
    },
    call("pivot_root", `b"/no-such-folder", b"/tmp"`),
    call("chroot", `b"/tmp"`),
    call("fsopen", `b"tmpfs", 0`),
    call("fspick", `-100, b"/usr", 0`),
    call("open_tree", `-100, b"/usr", 1`),
    call("move_mount", `-100, b"/no-such-folder", -100, b"/tmp", 0`),
    call("mount_setattr", `-100, b"/usr", 0, bytes(32), 32`),
    {
      name: "the programs that mount",
      program: `
done = [subprocess.run(argv, capture_output=True) for argv in [["mount", "-t", "tmpfs", "none", "/mnt/session/uploads"], ["umount", "/proc/sys"]]]
said = "refused" if all(d.returncode and d.stderr for d in done) else "allowed"`,
      holds: "refused",
    },
  ],
};

const namespaceFlags = {
  mount: 0x20000,
  cgroup: 0x2000000,
  uts: 0x4000000,
  ipc: 0x8000000,
  user: 0x10000000,
  pid: 0x20000000,
  net: 0x40000000,
  time: 0x80,
};

export const namespaces: Group = {
  name: "namespaces",
  attempts: [
    ...Object.entries(namespaceFlags).map(
      ([name, flag]): Probe => ({
        name: `unshare() of the ${name} namespace`,
        program: `said = call("unshare", ${flag})`,
        holds: "EPERM",
      }),
    ),
    {
      name: "clone() into new ones",
      program: `
def clone(flags):
    CLONE_VM_SIGCHLD = 17
    ctypes.set_errno(0)
    pid = libc.syscall(ctypes.c_long(calls["clone"]), ctypes.c_long(flags | CLONE_VM_SIGCHLD), *[ctypes.c_long(0)] * 4)
    if pid == 0: os._exit(0)
    return errno.errorcode[ctypes.get_errno()] if pid < 0 else "allowed"
assert clone(0) == "allowed"
flags = ${JSON.stringify(Object.values(namespaceFlags).filter((flag) => flag > 0x80))}
said = all_of({hex(flag): clone(flag | 0x10000000) for flag in flags})`,
      holds: "EPERM",
    },
    call("clone3", "bytes(88), 88", "ENOSYS"),
    {
      name: "setns() into those of the first process",
      program: `
kinds = ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"]
said = all_of({kind: call("setns", os.open("/proc/1/ns/" + kind, os.O_RDONLY), 0) for kind in kinds})`,
      holds: "EPERM",
    },
    {
      name: "a sandbox in the sandbox",
      program: `
done = subprocess.run(["unshare", "--user", "--map-root-user", "true"], capture_output=True, text=True)
said = "allowed" if done.returncode == 0 else "refused" if "not permitted" in done.stderr else "broken: " + done.stderr`,
      holds: "refused",
    },
    {
      name: "the name of the machine",
      program: `said = all_of({"host": call("sethostname", b"x", 1), "domain": call("setdomainname", b"x", 1)})`,
      holds: "EPERM",
    },
  ],
};

const EPERMorEINVAL = /^(EPERM|EINVAL)$/;

export const privileges: Group = {
  name: "setuid and capabilities",
  attempts: [
    {
      name: "capabilities, or a way to gain some",
      program: `
status = status_of()
said = {name: value for name, value in status.items() if name.startswith("Cap") and int(value, 16)} or "none"`,
      holds: "none",
    },
    {
      name: "programs that gain by a bit or by the capabilities of their file",
      program: `said = f'{libc.prctl(39, 0, 0, 0, 0)} {[m for m in mount_points() if not os.statvfs(m).f_flag & 2]}'`,
      holds: "1 []",
    },
    {
      name: "becoming root",
      program: `
assert os.setuid(os.getuid()) is None
said = all_of({"uid": attempt(os.setuid, 0), "euid": attempt(os.seteuid, 0), "gid": attempt(os.setgid, 0)})`,
      holds: EPERMorEINVAL,
    },
    { name: "other groups", program: "said = attempt(os.setgroups, [0])", holds: EPERMorEINVAL },
    {
      name: "giving files to root",
      program: `
os.chown("of-the-attacker", os.getuid(), os.getgid())
said = attempt(os.chown, "of-the-attacker", 0, 0)`,
      holds: EPERMorEINVAL,
    },
    {
      name: "capabilities on a file",
      program: `
os.setxattr("of-the-attacker", "user.x", b"x")
value = struct.pack("<IIIII", 0x02000001, 1 << 21, 0, 0, 0)
said = attempt(os.setxattr, "of-the-attacker", "security.capability", value)`,
      holds: "EPERM",
    },
    {
      name: "raising capabilities",
      program: `
header = struct.pack("<II", 0x20080522, 0)
assert call("capget", header, bytes(24)) == "allowed"
said = call("capset", header, struct.pack("<IIIIII", 1 << 21, 1 << 21, 0, 0, 0, 0))`,
      holds: "EPERM",
    },
    {
      name: "taking back that nothing is gained, or that calls are filtered",
      program: `
PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, PR_SET_SECUREBITS, PR_SET_SECCOMP = 38, 47, 28, 22
said = f'{call("prctl", PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0)} {call("prctl", PR_SET_SECUREBITS, 0, 0, 0, 0)} {call("prctl", PR_CAP_AMBIENT, 2, 21, 0, 0)} {call("prctl", PR_SET_SECCOMP, 0, 0, 0, 0)}'`,
      holds: "EINVAL EPERM EPERM EINVAL",
    },
  ],
};

export const signals: Group = {
  name: "signals and ptrace",
  attempts: [
    {
      name: "signalling, watching and limiting a process of the host",
      program: `
pid = host["pid"]
os.kill(os.getpid(), 0)
# Where it is so small, the sandbox has a process of that number itself.
said = "ESRCH" if pid < 100 else all_of({
  "kill": attempt(os.kill, pid, 0), "pidfd": attempt(os.pidfd_open, pid), "limit": attempt(resource.prlimit, pid, resource.RLIMIT_CPU),
  "nice": attempt(os.getpriority, os.PRIO_PROCESS, pid), "affinity": attempt(os.sched_getaffinity, pid), "group": attempt(os.getpgid, pid)})`,
      holds: "ESRCH",
    },
    {
      name: "killing all that it can, its first process and its host's",
      async attack(rig) {
        await rig.sh(
          "killer",
          "touch here; sleep 60 & kill -9 1; kill -STOP 1; kill -TERM 1; kill -INT 1; kill -HUP 1",
        );
        await rig.run("killer", exec("bash", "-c", "kill -9 -1"));
        const said = [
          await rig.sh("killer", "ls; pgrep -c sleep"),
          await rig.sh(victim, "cat of-the-victim"),
        ];
        await rig.end("killer");
        return said.join(" ").replaceAll("\n", " ");
      },
      holds: "here 0 of-the-victim",
    },
    call("ptrace", "16, 1, 0, 0"),
    ...["process_vm_readv", "process_vm_writev"].map((name) => ({
      name,
      program: `
place = ctypes.create_string_buffer(8)
part = struct.pack("QQ", ctypes.addressof(place), 8)
said = call("${name}", 1, part, 1, part, 1, 0)`,
      holds: "EPERM",
    })),
    call("process_madvise", "-1, 0, 0, 0, 0"),
    call("kcmp", "1, 1, 0, 0, 0"),
    {
      name: "pidfd_getfd",
      program: `
fd = os.pidfd_open(os.getpid())
said = call("pidfd_getfd", fd, 0, 0)`,
      holds: "EPERM",
    },
    {
      name: "being first on the processors",
      program: `
os.nice(1)
said = all_of({"nice": attempt(os.setpriority, os.PRIO_PROCESS, 0, -20), "real time": attempt(os.sched_setscheduler, 0, os.SCHED_FIFO, os.sched_param(50))})`,
      holds: /^(EPERM|EACCES|\{"nice": "EACCES", "real time": "EPERM"\})$/,
    },
  ],
};

export const systemCalls: Group = {
  name: "system calls",
  attempts: [
    call("bpf", "0, bytes(128), 128"),
    call("perf_event_open", "bytes(128), 0, -1, -1, 0"),
    call("userfaultfd", "0"),
    call("io_uring_setup", "1, bytes(120)"),
    call("io_uring_enter", "-1, 0, 0, 0, 0"),
    call("io_setup", "1, 0", "ENOSYS"),
    call("add_key", `b"user", b"x", b"x", 1, -2`),
    call("request_key", `b"user", b"x", 0, 0`),
    call("keyctl", "0, -3, 0"),
    call("kexec_load", "0, 99, 0, 0"),
    call("kexec_file_load", "-1, -1, 0, 0, 0"),
    call("init_module", `0, 0, b""`),
    call("finit_module", `-1, b"", 0`),
    call("delete_module", `b"no-such-module", 0`),
    call("quotactl", `0, 0, 0, 0`),
    call("open_by_handle_at", "-1, bytes(24), 0"),
    call("fanotify_init", "0, 0"),
    call("swapon", `b"/no-such-file", 0`),
    call("acct", `b"/no-such-file"`),
    call("reboot", "0, 0, 0, 0"),
    call("syslog", "10, 0, 0"),
    call("settimeofday", "0, 0"),
    call("clock_settime", "99, 0"),
    call("clock_adjtime", "0, bytes(208)"),
    call("iopl", "0"),
    call("ioperm", "0, 1, 0"),
    call("modify_ldt", "0, 0, 0"),
    call("move_pages", "0, 0, 0, 0, 0, 0"),
    call("memfd_secret", "0", "ENOSYS"),
    {
      name: "personalities that take protection away",
      program: `
READ_IMPLIES_EXEC, MMAP_PAGE_ZERO, ADDR_COMPAT_LAYOUT = 0x400000, 0x100000, 0x200000
assert call("personality", 0xffffffff) == "allowed"
said = all_of({hex(p): call("personality", p) for p in [READ_IMPLIES_EXEC, MMAP_PAGE_ZERO, ADDR_COMPAT_LAYOUT]})`,
      holds: "EPERM",
    },
    {
      name: "the page at address zero",
      program: `
MAP_FIXED, MAP_PRIVATE, MAP_ANONYMOUS = 16, 2, 32
said = call("mmap", 0, 4096, 3, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)`,
      holds: "EPERM",
    },
    {
      name: "calls that no table knows",
      program: `said = all_of({str(n): (libc.syscall(ctypes.c_long(n)), errno.errorcode[ctypes.get_errno()])[1] for n in [500, 600, 1000, 5000]})`,
      holds: "ENOSYS",
    },
    {
      name: "calls of another architecture",
      program: `
pid = os.fork()
if pid == 0:
    libc.syscall(ctypes.c_long(0x40000000 + 39))
    os._exit(0)
said = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])`,
      holds: process.arch === "x64" ? "-31" : "0",
    },
  ],
};
