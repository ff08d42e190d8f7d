import type { Group } from "../attempt.ts";

const settings = `["kernel/core_pattern", "kernel/modprobe", "kernel/hotplug", "kernel/randomize_va_space", "kernel/ns_last_pid",
  "kernel/dmesg_restrict", "vm/drop_caches", "vm/overcommit_memory", "user/max_user_namespaces", "fs/protected_symlinks",
  "net/ipv4/ip_forward", "fs/binfmt_misc/register"]`;

export const proc: Group = {
  name: "/proc and /sys",
  attempts: [
    {
      name: "the kernel's settings",
      program: `
paths = [p for p in ("/proc/sys/" + name for name in ${settings}) if os.path.exists(p)]
assert len(paths) > 5
said = all_of({p: closed(writing(p)) for p in paths})`,
      holds: "closed",
    },
    {
      name: "a program of its own for the host's memory dumps",
      program: `said = closed(writing("/proc/sys/kernel/core_pattern"))`,
      holds: "closed",
    },
    {
      name: "what restarts or stops the machine",
      program: `
assert writing("/proc/self/comm") == "allowed"
said = writing("/proc/sysrq-trigger")`,
      holds: /^(EROFS|EACCES|ENOENT)$/,
    },
    {
      name: "what tells of the machine's memory, kernel and devices",
      program: `
names = ["kcore", "kmsg", "keys", "key-users", "kallsyms", "modules", "cmdline", "interrupts", "iomem", "timer_list", "config.gz",
  "vmallocinfo", "slabinfo", "pagetypeinfo", "diskstats", "partitions", "kpagecount", "sched_debug"]
assert contents("/proc/cpuinfo", 10)
def seen(name):
    try: return len(contents("/proc/" + name, 1)) > 0
    except OSError: return False
said = [name for name in names if seen(name)] or "nothing"`,
      holds: "nothing",
    },
    {
      name: "the folders of devices and drivers",
      program: `
names = ["acpi", "asound", "bus", "driver", "fs", "irq", "scsi", "tty"]
said = [name for name in names if glob.glob(f"/proc/{name}/*")] or "nothing"`,
      holds: "nothing",
    },
    {
      name: "the host's environment, in any process",
      program: `
own = b"".join(contents(p) for p in glob.glob("/proc/[0-9]*/environ") if reading(p) == "allowed")
assert b"HOME=/home/agent" in own
known = {b"HOME", b"LANG", b"LOGNAME", b"OLDPWD", b"PATH", b"PWD", b"SHELL", b"SHLVL", b"TERM", b"USER", b"_", b"NODE_USE_ENV_PROXY"}
names = {entry.split(b"=")[0] for entry in own.split(b"\\0") if entry}
said = sorted(n for n in names if n not in known and b"proxy" not in n.lower() and b"java" not in n.lower()) or "its own"`,
      holds: "its own",
    },
    {
      name: "the host's processes",
      program: `
pids = [int(p) for p in os.listdir("/proc") if p.isdigit()]
assert os.getpid() in pids
said = "its own" if status_of(1)["Name"] == "bash" and len(pids) < 40 else pids`,
      holds: "its own",
    },
    {
      name: "the root and the working folder of any process",
      program: `
tops = glob.glob("/proc/[0-9]*/root") + glob.glob("/proc/[0-9]*/cwd")
assert any(os.path.exists(top + "/usr/bin/env") for top in tops)
said = [top for top in tops if os.path.exists(top + host["secret"])] or "its own"`,
      holds: "its own",
    },
    {
      name: "a descriptor of the host's",
      program: `
def target(link):
    try: return os.readlink(link)
    except OSError: return "/proc/gone"
links = {target(link) for link in glob.glob("/proc/[0-9]*/fd/*")}
own = ("/run/drover/", "/run/init", "/dev/null", "/dev/pts/", "/proc", "pipe:", "/workspace", "/usr/", "socket:", "anon_inode:")
assert any(link.startswith("pipe:") for link in links)
said = [link for link in links if not link.startswith(own)] or "none"`,
      holds: "none",
    },
    {
      name: "being spared when memory is short",
      program: `
path = "/proc/self/oom_score_adj"
score = int(open(path).read())
fd = os.open(path, os.O_WRONLY)
os.write(fd, str(score + 1).encode())
said = attempt(os.write, fd, b"-1")`,
      holds: "EACCES",
    },
    {
      name: "another map of user ids",
      program: `said = all_of({p: attempt(lambda: os.write(os.open(p, os.O_WRONLY), b"0 0 1\\n")) for p in ["/proc/self/uid_map", "/proc/self/gid_map"]})`,
      holds: "EPERM",
    },
    {
      name: "what is in /sys, and the controls of cgroups",
      program: `
said = [p for p in ["/sys/kernel", "/sys/fs/cgroup", "/sys/class", "/sys/firmware", "/cgroup"] if os.path.exists(p)] or \\
  [m for m in open("/proc/mounts") if m.split()[2] in ("sysfs", "cgroup", "cgroup2", "debugfs", "tracefs", "securityfs", "bpf")] or "nothing"`,
      holds: "nothing",
    },
  ],
};

export const devices: Group = {
  name: "devices",
  attempts: [
    {
      name: "making devices and opening them",
      program: `
os.mkfifo("a-pipe"); os.unlink("a-pipe")
kinds = {"mem": (stat.S_IFCHR, 1, 1), "log": (stat.S_IFCHR, 1, 11), "disk": (stat.S_IFBLK, 8, 0), "loop": (stat.S_IFBLK, 7, 0)}
def making(name, kind, major, minor):
    os.mknod("/tmp/" + name, kind | 0o666, os.makedev(major, minor))
    os.close(os.open("/tmp/" + name, os.O_RDONLY | os.O_NONBLOCK))
said = all_of({name: attempt(making, name, *what) for name, what in kinds.items()})`,
      holds: "EPERM",
    },
    {
      name: "the machine's memory, log, disks, loops, virtual machines and tunnels",
      program: `
assert reading("/dev/zero") == "allowed"
names = ["mem", "kmem", "port", "kmsg", "sda", "vda", "nvme0n1", "loop0", "loop-control", "kvm", "fuse", "net/tun", "vhost-net", "vsock",
  "vhost-vsock", "uinput", "input", "mapper/control", "btrfs-control", "console", "tty0", "tty1", "ttyS0", "hpet", "rtc0", "dri", "snd", "userfaultfd", "cpu/0/msr"]
said = all_of({name: reading("/dev/" + name) for name in names})`,
      holds: "ENOENT",
    },
    {
      name: "devices beside the usual ones",
      program: `
names = {n for n in os.listdir("/dev") if not os.path.islink("/dev/" + n)}
assert "null" in names
said = sorted(names - {"null", "zero", "full", "random", "urandom", "tty", "pts", "shm"}) or "none"`,
      holds: "none",
    },
    {
      name: "a device in an archive",
      program: `
import tarfile, io
packed = io.BytesIO()
with tarfile.open(fileobj=packed, mode="w") as tar:
    entry = tarfile.TarInfo("disk"); entry.type = tarfile.BLKTYPE; entry.devmajor, entry.devminor = 8, 0
    tar.addfile(entry)
done = subprocess.run(["tar", "-C", "/tmp", "-x"], input=packed.getvalue(), stderr=subprocess.PIPE)
said = "allowed" if os.path.exists("/tmp/disk") else "refused" if b"mknod" in done.stderr else "broken: " + done.stderr.decode()`,
      holds: "refused",
    },
    {
      name: "devices on its mounts",
      program: `
os.statvfs("/workspace")
ST_NODEV = 4
said = [m for m in mount_points() if not m.startswith("/dev/") and not os.statvfs(m).f_flag & ST_NODEV] or "none"`,
      holds: "none",
    },
    {
      name: "a terminal of somebody else",
      program: `
master, slave = os.openpty()
assert os.isatty(slave)
said = all_of({p: reading(p) for p in ["/dev/tty"]})`,
      holds: "ENXIO",
    },
  ],
};
