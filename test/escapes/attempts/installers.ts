import type { Group, Probe } from "../attempt.ts";

/** What the code of a package tries where it is installed: as a root who is pretended. */
export const installers: readonly (Group & { attempts: Probe[] })[] = [
  {
    name: "the host's disk",
    attempts: [
      {
        name: "a file of the host, by its path and by what is left of it under any mount",
        program: `
assert os.getuid() == 0 and find("/usr/bin/env")
said = find(host["secret"]) or "absent"`,
        holds: "absent",
      },
      {
        name: "other layers, and the folder of this one",
        program: `
said = [p for p in (find(host["layers"]) + find(host["layers"] + "/.staging")) if os.listdir(p)] or "absent"`,
        holds: "absent",
      },
      {
        name: "a hard link to a program of the host",
        program: `
try:
    os.link("/usr/bin/env", "/usr/bin/env-linked")
    os.chmod("/usr/bin/env-linked", 0o777)
    said = "linked"
except OSError as error: said = name_of(error)`,
        holds: "EPERM",
      },
      {
        name: "what all sandboxes have in /etc",
        program: `said = all_of({p: closed(writing(p)) for p in ["/etc/hosts", "/etc/resolv.conf"]})`,
        holds: "closed",
      },
    ],
  },
  {
    name: "/proc",
    attempts: [
      {
        name: "settings of the kernel",
        program: `
paths = ["/proc/sys/kernel/core_pattern", "/proc/sys/vm/drop_caches", "/proc/sysrq-trigger"]
said = all_of({p: closed(writing(p)) for p in paths if os.path.exists(p)})`,
        holds: "closed",
      },
      {
        name: "what tells of the machine",
        program: `
paths = ["/proc/cmdline", "/proc/interrupts", "/proc/diskstats", "/proc/kallsyms", "/proc/modules"]
def length(path):
    try: return len(contents(path))
    except OSError: return 0
said = all_of({p: str(length(p)) for p in paths})`,
        holds: "0",
      },
      {
        name: "the host's processes, and what it was begun with",
        program: `
begun = b"".join(contents(f"/proc/{p}/environ") for p in os.listdir("/proc") if p.isdigit() and os.access(f"/proc/{p}/environ", os.R_OK))
assert b"PATH=" in begun
said = "found" if b"DROVER_" in begun or os.path.exists(f"/proc/{host['pid']}/exe") else "absent"`,
        holds: "absent",
      },
    ],
  },
  {
    name: "privileges",
    attempts: [
      {
        name: "mounts",
        program: `
os.makedirs("/opt/mounted", exist_ok=True)
said = all_of({"tmpfs": call("mount", b"none", b"/opt/mounted", b"tmpfs", 0, 0), "remount": call("mount", b"none", b"/proc/sys", 0, 32 | 4096, 0), "umount": call("umount2", b"/etc/hosts", 2)})`,
        holds: "EPERM",
      },
      {
        name: "namespaces of its own",
        program: `said = all_of({str(flag): call("unshare", flag) for flag in (0x10000000, 0x00020000, 0x40000000)})`,
        holds: "EPERM",
      },
      {
        name: "devices",
        program: `
said = all_of({"null": attempt(os.mknod, "/opt/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3)), "disk": attempt(os.mknod, "/opt/disk", 0o666 | stat.S_IFBLK, os.makedev(254, 0)), "removed": attempt(os.mknod, "/usr/bin/removed", 0o666 | stat.S_IFCHR, 0)})`,
        holds: "EPERM",
      },
      {
        name: "calls that only the host's root makes",
        program: `said = all_of({name: call(name, 0, 0, 0, 0, 0) for name in ("bpf", "ptrace", "perf_event_open", "keyctl", "init_module", "userfaultfd", "io_uring_setup", "reboot")})`,
        holds: "EPERM",
      },
      {
        name: "capabilities that a program in the layer would have",
        program: `
open("/opt/able", "w").close()
value = struct.pack("<IIIII", 0x02000001, 0x00200000, 0, 0, 0)
said = attempt(os.setxattr, "/opt/able", "security.capability", value)`,
        holds: "EPERM",
      },
      {
        name: "capabilities beyond those over its own files",
        program: `said = status_of()["CapBnd"]`,
        holds: /^0*1a$/,
      },
    ],
  },
  {
    name: "network",
    attempts: [
      {
        name: "the host's loopback",
        program: `
own = socket.create_server(("127.0.0.1", 47003))
assert connecting("127.0.0.1", 47003) == "allowed"
said = connecting("127.0.0.1", host["port"])`,
        holds: "ECONNREFUSED",
      },
      {
        name: "abstract sockets of the host",
        program: `said = attempt(socket.socket(socket.AF_UNIX).connect, "\\0" + host["abstract"])`,
        holds: "ECONNREFUSED",
      },
      {
        name: "sockets that no namespace confines",
        program: `said = all_of({str(f): attempt(lambda: socket.socket(f, socket.SOCK_RAW if f == 17 else socket.SOCK_STREAM)) for f in (17, 40)})`,
        holds: "EAFNOSUPPORT",
      },
    ],
  },
  {
    name: "exhaustion",
    attempts: [
      {
        name: "memory that looks like disk",
        program: `
lines = [line.split() for line in open("/proc/self/mounts")]
def size(path):
    it = os.statvfs(path)
    return it.f_blocks * it.f_frsize
most = {p: size(p) for _, p, kind, *_ in lines if kind == "tmpfs" and os.access(p, os.W_OK) and not os.statvfs(p).f_flag & os.ST_RDONLY and os.path.isdir(p)}
assert "/dev/shm" in most and "/run" in most
said = [p for p, bytes in most.items() if not 0 < bytes <= 1 << 30] or "bounded"`,
        holds: "bounded",
      },
      {
        name: "higher limits",
        program: `
kinds = {"processes": resource.RLIMIT_NPROC, "file": resource.RLIMIT_FSIZE}
def raising(kind):
    try: resource.setrlimit(kind, (1 << 50, 1 << 50)); return "allowed"
    except (ValueError, OSError): return "refused"
said = all_of({name: raising(kind) for name, kind in kinds.items()})`,
        holds: "refused",
      },
    ],
  },
];
