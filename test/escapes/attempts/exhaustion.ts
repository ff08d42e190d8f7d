import type { Group } from "../attempt.ts";

/** Each is bounded by itself, so that a sandbox without that limit does no harm either. */
export const exhaustion: Group = {
  name: "resource exhaustion",
  attempts: [
    {
      name: "processes",
      alone: true,
      program: `
def fork():
    pid = os.fork()
    if pid == 0:
        time.sleep(60)
        os._exit(0)
    return pid
count, why, pids = until_refused(fork, 150)
for pid in pids: os.kill(pid, signal.SIGKILL)
said = f"{why}" if 5 < count < 64 else f"{count} processes"`,
      holds: "EAGAIN",
    },
    {
      name: "threads",
      alone: true,
      program: `
threading.stack_size(1 << 16)
stop = threading.Event()
count, why, _ = until_refused(lambda: threading.Thread(target=stop.wait, args=(20,), daemon=True).start(), 150)
stop.set()
said = why if 5 < count < 64 else f"{count} threads"`,
      holds: "EAGAIN",
    },
    {
      name: "memory",
      alone: true,
      program: `
kept = []
for _ in range(40): kept.append(bytearray(os.urandom(1) * (10 << 20)))
said = f"{len(kept) * 10} MiB"`,
      holds: /^(ended by SIGKILL|ended, 137|broken: MemoryError: )$/,
    },
    {
      name: "memory of several processes together",
      needs: "memory_bytes",
      alone: true,
      program: `
def taking():
    pid = os.fork()
    if pid == 0:
        kept = bytearray(b"x" * (60 << 20))
        time.sleep(60)
    return pid
pids = [taking() for _ in range(7)]
killed, deadline = 0, time.monotonic() + 4
while time.monotonic() < deadline and killed == 0:
    pid, how = os.waitpid(-1, os.WNOHANG)
    killed += pid in pids and os.WIFSIGNALED(how)
    time.sleep(0.02)
for pid in pids: attempt(os.kill, pid, signal.SIGKILL)
said = "one is killed" if killed else "all have it"`,
      holds: /^(one is killed|ended by SIGKILL|ended, 137)$/,
    },
    {
      name: "memory of files without names",
      needs: "memory_bytes",
      alone: true,
      program: `
files = [os.memfd_create("x") for _ in range(40)]
written = 0
for fd in files: written += os.write(fd, b"x" * (10 << 20))
said = f"{written >> 20} MiB"`,
      holds: /^(ended by SIGKILL|ended, 137)$/,
    },
    {
      name: "memory of shared segments",
      needs: "memory_bytes",
      alone: true,
      program: `
libc.shmat.restype = ctypes.c_void_p
for n in range(40):
    key = libc.shmget(0, 10 << 20, 0o1600)
    assert key >= 0
    ctypes.memset(libc.shmat(key, None, 0), 1, 10 << 20)
    libc.shmctl(key, 0, None)
said = "400 MiB"`,
      holds: /^(ended by SIGKILL|ended, 137)$/,
    },
    {
      name: "memory of the buffers of sockets",
      needs: "memory_bytes",
      alone: true,
      program: `
kept, total = [], 0
while total < 400 << 20 and len(kept) < 3000:
    a, b = socket.socketpair()
    a.setblocking(False)
    kept.append((a, b))
    try:
        while True: total += a.send(b"x" * 65536)
    except BlockingIOError: pass
said = f"{total >> 20} MiB"`,
      holds: /^(ended by SIGKILL|ended, 137)$/,
    },
    ...["/tmp", "/dev/shm"].map((folder) => ({
      name: `space in ${folder}`,
      program: `
path = "${folder}/big"
try:
    with open(path, "wb") as file:
        for _ in range(20): file.write(bytes(1 << 20)); file.flush()
    said = "20 MiB"
except OSError as error:
    said = name_of(error) if 2 << 20 < os.path.getsize(path) < 8 << 20 else "broken: none at all"
os.unlink(path)`,
      holds: "ENOSPC",
    })),
    {
      name: "space elsewhere that is memory",
      program: `
os.close(os.open("/tmp/x", os.O_WRONLY | os.O_CREAT))
folders = [m for m in mount_points() if os.path.isdir(m) and m not in ("/tmp", "/dev/shm", "/workspace", "/home/agent", "/mnt/session/outputs")]
said = [f for f in folders if not f.startswith("/proc") and open_for(os.O_WRONLY | os.O_CREAT, f + "/x") == "allowed"] or "none"`,
      holds: "none",
    },
    {
      name: "one file without end",
      program: `
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with open("big", "wb") as file:
    file.truncate(1 << 20)
    said = all_of({"hole": attempt(file.truncate, 1 << 40), "written": attempt(os.pwrite, file.fileno(), b"x", 17 << 20)})
os.unlink("big")`,
      holds: "EFBIG",
    },
    {
      name: "open files",
      program: `
count, why, _ = until_refused(lambda: os.dup(0), 9000)
said = why if count > 1000 else f"broken: {count}"`,
      holds: "EMFILE",
    },
    {
      name: "higher limits",
      program: `
kinds = {"processes": resource.RLIMIT_NPROC, "file": resource.RLIMIT_FSIZE, "files": resource.RLIMIT_NOFILE, "core": resource.RLIMIT_CORE}
resource.setrlimit(resource.RLIMIT_CORE, resource.getrlimit(resource.RLIMIT_CORE))
def raising(kind):
    try: resource.setrlimit(kind, (1 << 40, 1 << 40)); return "allowed"
    except (ValueError, OSError): return "refused"
said = all_of({name: raising(kind) for name, kind in kinds.items()})`,
      holds: "refused",
    },
    {
      name: "pipes",
      program: `
F_SETPIPE_SZ = 1031
reader, writer = os.pipe()
fcntl.fcntl(reader, F_SETPIPE_SZ, 1 << 16)
said = attempt(fcntl.fcntl, reader, F_SETPIPE_SZ, 1 << 24)`,
      holds: "EPERM",
    },
    {
      name: "watches of files",
      program: `
def watching():
    fd = libc.inotify_init1(0)
    if fd < 0: raise OSError(ctypes.get_errno(), "inotify")
    return fd
count, why, _ = until_refused(watching, 3000)
said = why if count > 10 else f"broken: {count}"`,
      holds: "EMFILE",
    },
    {
      name: "message queues",
      program: `
librt = ctypes.CDLL("librt.so.1", use_errno=True)
def queueing(n=[0]):
    n[0] += 1
    fd = librt.mq_open(b"/q%d" % n[0], os.O_CREAT | os.O_RDWR, 0o600, None)
    if fd < 0: raise OSError(ctypes.get_errno(), "mq")
count, why, _ = until_refused(queueing, 2000)
said = why if count > 2 else f"broken: {count} {why}"`,
      holds: /^(EMFILE|ENOSPC|ENOMEM)$/,
    },
    {
      name: "timers and queued signals",
      program: `
signal.signal(signal.SIGUSR1, signal.SIG_IGN); signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN])
def queueing():
    if libc.sigqueue(os.getpid(), signal.SIGRTMIN, None) < 0: raise OSError(ctypes.get_errno(), "sigqueue")
most = resource.getrlimit(resource.RLIMIT_SIGPENDING)[0]
count, why, _ = until_refused(queueing, min(most + 10, 200_000))
said = why`,
      holds: "EAGAIN",
    },
    {
      name: "memory that is never given back",
      program: `
resource.setrlimit(resource.RLIMIT_MEMLOCK, resource.getrlimit(resource.RLIMIT_MEMLOCK))
area = mmap.mmap(-1, 64 << 20)
address = ctypes.addressof(ctypes.c_char.from_buffer(area))
assert call("mlock", address, 4096) == "allowed"
said = call("mlock", address, 64 << 20)`,
      holds: "ENOMEM",
    },
    {
      name: "asynchronous I/O, of which the machine has one share for all",
      program: `
context = ctypes.c_long(0)
said = call("io_setup", 1, ctypes.addressof(context))`,
      holds: "ENOSYS",
    },
    {
      name: "keyrings",
      program: `said = call("keyctl", 1, 0, 0, 0, 0)`,
      holds: "EPERM",
    },
  ],
};
