import assert from "node:assert/strict";
import { existsSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Driver, Sandbox } from "../driver.ts";
import { runIn, sh, type TestFolder, testFolder, testSpec } from "../testing.ts";
import { bubblewrap } from "./bubblewrap.ts";
import { userNamespacesForbidden as forbidden } from "./testing-namespaces.ts";

/** From inside, by a program that means harm. */
const python = "/usr/bin/python3";
const sysResource = 1n << 24n;
const noPython = !existsSync(python) && "needs python3 to make raw system calls";

let folder: TestFolder;
let driver: Driver;
let sandbox: Sandbox;
let other: Sandbox;
const servers: Server[] = [];

before(async () => {
  folder = testFolder();
  writeFileSync(join(folder.path, "secret"), "host secret", { mode: 0o644 });
  driver = bubblewrap({ data_dir: folder.path });
  sandbox = await driver.provision("sbx_hostile", testSpec);
  other = await driver.provision("sbx_victim", testSpec);
  await sh(other, "echo x >/workspace/of-the-victim; chmod 777 /workspace");
});

after(async () => {
  for (const server of servers) server.close();
  await sandbox.destroy();
  await other.destroy();
  folder.remove();
});

async function probe(script: string): Promise<unknown> {
  const { stdout, stderr } = await runIn(sandbox, [python, "-"], script);
  assert.equal(stderr, "");
  return JSON.parse(stdout);
}

async function listen(at: { port: number; host: string } | { path: string }): Promise<Server> {
  const server = createServer((socket) => socket.end("reached"));
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(at, resolve));
  return server;
}

test("the host's files are absent", async () => {
  const paths = [
    "/etc/shadow",
    "/root",
    "/var/lib",
    "/sys/kernel",
    "/dev/sda",
    "/dev/vda",
    "/dev/mem",
    "/boot",
    folder.path,
  ];
  const seen = await sh(sandbox, `for p in ${paths.join(" ")}; do [ -e "$p" ] && echo "$p"; done`);
  assert.equal(seen, "");
  assert.equal(await sh(sandbox, `cat /proc/1/root/etc/shadow ${folder.path}/secret 2>/dev/null`), "");
});

test("other sandboxes are absent", async () => {
  assert.equal(await sh(sandbox, "find / -xdev -name of-the-victim -not -path '/proc/*' 2>/dev/null"), "");
});

test("a link in the workspace leads no further than the sandbox", async () => {
  const workspace = join(folder.path, "sandboxes", "sbx_hostile", "workspace");
  symlinkSync(join(folder.path, "secret"), join(workspace, "absolute"));
  symlinkSync("../../../secret", join(workspace, "relative"));
  assert.equal(await sh(sandbox, "cat absolute relative 2>/dev/null"), "");
});

test("the host's processes are neither seen nor signalled", async () => {
  const pids = (await sh(sandbox, "cd /proc; echo [0-9]*")).split(" ").map(Number);
  assert.ok(pids.every((pid) => pid < 10_000) && pids.length < 10, `sees ${pids}`);
  // Where it is so small, the sandbox has a process of that number itself.
  if (process.pid < 100) return;
  const { stderr } = await runIn(sandbox, ["bash", "-c", `kill -0 ${process.pid}`]);
  assert.match(stderr, /No such process/);
});

test("the host's environment is not in any process, the first included", async () => {
  process.env.DROVER_TEST_SECRET = "leaked";
  const fresh = await driver.provision("sbx_env", testSpec);
  const found = await sh(
    fresh,
    "cat /proc/[0-9]*/environ | tr '\\0' '\\n' | sort -u | cut -d= -f1 | tr '\\n' ' '",
  );
  delete process.env.DROVER_TEST_SECRET;
  await fresh.destroy();
  const expected = [
    "HOME",
    "LANG",
    "LOGNAME",
    "OLDPWD",
    "PATH",
    "PWD",
    "SHELL",
    "SHLVL",
    "TERM",
    "USER",
    "_",
  ];
  assert.deepEqual(
    found.split(" ").filter((name) => !expected.includes(name)),
    [],
  );
});

test("programs that it has left in its own folders do not begin it anew", async () => {
  const before = await driver.provision("sbx_again", testSpec);
  const programs = ["bash", "setpriv", "sh"].map((name) => `"$HOME/.local/bin/${name}"`).join(" ");
  await sh(
    before,
    `mkdir -p ~/.local/bin; echo 'echo of its own >>/workspace/ran' | tee ${programs}; chmod 755 ${programs}`,
  );
  await before.destroy();
  const again = await driver.provision("sbx_again", testSpec);
  assert.equal(await sh(again, "cat ran 2>/dev/null; sh ~/.local/bin/sh; cat ran"), "of its own");
  await again.destroy();
});

test("no descriptor of the host is open in it", async () => {
  const links = await sh(sandbox, "readlink /proc/self/fd/* | sort -u");
  const strange = links
    .split("\n")
    .filter((link) => !/^(\/run\/drover\/|\/dev\/null$|\/proc\/|pipe:)/.test(link));
  assert.deepEqual(strange, []);
});

test("it has no capability, and can gain none", async () => {
  const status = await sh(
    sandbox,
    "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status | tr -s '\\t' ' '",
  );
  assert.deepEqual(status.split("\n"), [
    "CapInh: 0000000000000000",
    "CapPrm: 0000000000000000",
    "CapEff: 0000000000000000",
    "CapBnd: 0000000000000000",
    "CapAmb: 0000000000000000",
    "NoNewPrivs: 1",
    "Seccomp: 2",
  ]);
});

test("a service on the host's loopback is out of reach", async () => {
  const address = (await listen({ port: 0, host: "127.0.0.1" })).address();
  assert.ok(address && typeof address === "object");
  const { code } = await runIn(sandbox, ["bash", "-c", `exec 3<>/dev/tcp/127.0.0.1/${address.port}`]);
  assert.equal(code, 1);
});

test("an abstract unix socket of the host is out of reach", { skip: noPython }, async () => {
  const name = `drover-test-${process.pid}`;
  await listen({ path: `\0${name}` });
  const result = await probe(`
import json, socket
s = socket.socket(socket.AF_UNIX)
try:
    s.connect("\\0${name}"); print(json.dumps("reached"))
except OSError as e:
    print(json.dumps(e.strerror))
`);
  assert.equal(result, "Connection refused");
});

test("the kernel's settings cannot be written", async () => {
  const files = ["core_pattern", "modprobe", "hotplug", "randomize_va_space"].map(
    (name) => `/proc/sys/kernel/${name}`,
  );
  const all = [
    ...files,
    "/proc/sys/vm/drop_caches",
    "/proc/sysrq-trigger",
    "/proc/1/oom_score_adj",
    "/proc/sys/user/max_user_namespaces",
  ];
  const opened = await sh(
    sandbox,
    `for f in ${all.join(" ")}; do ( : >>"$f" ) 2>/dev/null && echo "$f"; done; true`,
  );
  // Its own processes may be made likelier victims, which harms nobody else.
  assert.deepEqual(
    opened.split("\n").filter((path) => path !== "/proc/1/oom_score_adj" && path !== ""),
    [],
  );
});

test("of /proc, what tells of the machine is empty, whoever asks, and all of it is read-only", async () => {
  const open = await sh(
    sandbox,
    `cd /proc; for f in kcore keys key-users kallsyms modules timer_list iomem interrupts cmdline kmsg sched_debug config.gz; do
       [ -s $f ] || [ "$(head -c 1 $f 2>/dev/null | wc -c)" != 0 ] && echo $f
     done
     find acpi asound bus driver fs irq pressure scsi sys/fs/binfmt_misc tty -mindepth 1 2>/dev/null
     find . -mindepth 1 -maxdepth 1 ! -name '[0-9]*' ! -name self ! -name thread-self -writable 2>/dev/null; true`,
  );
  assert.equal(open, "");
  const { stderr } = await runIn(sandbox, ["bash", "-c", "echo x >/proc/sys/kernel/hostname"]);
  assert.match(stderr, /Read-only file system/);
  const used = "grep -c processor cpuinfo; grep -c MemTotal meminfo; cat sys/kernel/pid_max loadavg stat";
  const { code } = await runIn(sandbox, ["bash", "-ec", `cd /proc; (${used}) >/dev/null`]);
  assert.equal(code, 0);
});

test("it has the usual devices, and no /sys", async () => {
  assert.equal(
    await sh(
      sandbox,
      "cd /dev; for f in * pts/*; do [ -c $f ] || [ -b $f ] && echo -n $f' '; done; ls -d /sys 2>/dev/null",
    ),
    "full null ptmx random tty urandom zero pts/ptmx",
  );
});

test("its programs leave no memory dumps, open few files, and are ended before servers", async () => {
  const [, own = ""] = /^Max open files +\d+ +(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
  const limits = await sh(
    sandbox,
    "grep -E 'core file|open files' /proc/self/limits | tr -s ' '; cat /proc/self/oom_score_adj; sleep 9 & kill -SEGV $!; wait; ls -A",
  );
  assert.deepEqual(limits.split("\n").slice(0, 3), [
    "Max core file size 0 0 bytes ",
    `Max open files 8192 ${Math.min(Number(own), 65_536)} files `,
    "500",
  ]);
  assert.doesNotMatch(limits, /core$/m);
  const { stderr } = await runIn(sandbox, ["bash", "-c", "echo 0 >/proc/self/oom_score_adj"]);
  // A root without that capability cannot say it for good.
  const [, caps = "0"] = /^CapEff:\s+(\w+)/m.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
  if (!forbidden && BigInt(`0x${caps}`) & sysResource) assert.match(stderr, /Permission denied/);
});

test("a host whose memory dumps go to a program gets none from a sandbox", async () => {
  const driver = bubblewrap({ data_dir: join(folder.path, "piped"), cores_are_piped: true });
  const piped = await driver.provision("sbx_piped", testSpec);
  const core = await sh(piped, "grep 'core file' /proc/self/limits | tr -s ' '");
  // The one limit at which the kernel starts no such program.
  assert.equal(core, "Max core file size 1 1 bytes");
  await piped.destroy();
});

test("system calls that reach beyond the sandbox are refused", { skip: noPython }, async () => {
  const result = await probe(`
import ctypes, errno, json, os, platform, socket, fcntl, termios
libc = ctypes.CDLL(None, use_errno=True)
arm = platform.machine() == "aarch64"
def call(x64, arm64, *args):
    ctypes.set_errno(0)
    n = libc.syscall(ctypes.c_long(arm64 if arm else x64), *[ctypes.c_long(a) for a in args])
    return errno.errorcode[ctypes.get_errno()] if n < 0 else "allowed"
def attempt(work):
    try:
        work(); return "allowed"
    except OSError as e:
        return errno.errorcode[e.errno]
NEWUSER, NEWNS = 0x10000000, 0x20000
print(json.dumps({
  "unshare user": call(272, 97, NEWUSER),
  "unshare mount": call(272, 97, NEWNS),
  "clone newuser": call(56, 220, NEWUSER | 17, 0, 0, 0, 0),
  "clone3": call(435, 435, 0, 0),
  "setns": call(308, 268, 0, 0),
  "mount": call(165, 40, 0, 0, 0, 0, 0),
  "umount2": call(166, 39, 0, 0),
  "fsopen": call(430, 430, 0, 0),
  "chroot": attempt(lambda: os.chroot("/tmp")),
  "mknod": attempt(lambda: os.mknod("/tmp/null", 0o20666, os.makedev(1, 3))),
  "ptrace": call(101, 117, 16, 1, 0, 0),
  "process_vm_readv": call(310, 270, 1, 0, 0, 0, 0, 0),
  "bpf": call(321, 280, 0, 0, 0),
  "perf_event_open": call(298, 241, 0, 0, 0, 0, 0),
  "userfaultfd": call(323, 282, 0),
  "io_uring_setup": call(425, 425, 1, 0),
  "keyctl": call(250, 219, 0, 0, 0),
  "add_key": call(248, 217, 0, 0, 0, 0, 0),
  "open_by_handle_at": call(304, 265, 0, 0, 0),
  "kexec_load": call(246, 104, 0, 0, 0, 0),
  "finit_module": call(313, 273, 0, 0, 0),
  "personality": call(135, 92, 0x0400000),
  "vsock": attempt(lambda: socket.socket(40, socket.SOCK_STREAM)),
  "packet": attempt(lambda: socket.socket(17, socket.SOCK_RAW)),
  "alg": attempt(lambda: socket.socket(38, socket.SOCK_SEQPACKET)),
  "raw": attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)),
  "netlink audit": attempt(lambda: socket.socket(16, socket.SOCK_RAW, 9)),
  "type into a terminal": attempt(lambda: fcntl.ioctl(0, termios.TIOCSTI, b"x")),
  "setuid": attempt(lambda: os.setuid(0)),
  "chown": attempt(lambda: os.chown("/workspace", 0, 0)),
}))
`);
  const refusal = {
    clone3: "ENOSYS",
    vsock: "EAFNOSUPPORT",
    packet: "EAFNOSUPPORT",
    alg: "EAFNOSUPPORT",
    "netlink audit": "EAFNOSUPPORT",
    // In a user namespace there is no such user.
    setuid: forbidden ? "EPERM" : "EINVAL",
    chown: forbidden ? "EPERM" : "EINVAL",
  };
  const expected = Object.keys(result as object).map((name) => [name, "EPERM"]);
  assert.deepEqual(result, { ...Object.fromEntries(expected), ...refusal });
});

test("what ordinary programs need works", { skip: noPython }, async () => {
  const result = await probe(`
import json, os, socket, subprocess, threading, tempfile
a, b = socket.socketpair()
a.send(b"x")
t = threading.Thread(target=lambda: None); t.start(); t.join()
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname())
print(json.dumps({
  "pair": b.recv(1).decode(),
  "loopback": True,
  "localhost": socket.getaddrinfo("localhost", 80)[0][4][0] in ("127.0.0.1", "::1"),
  "child": subprocess.check_output(["id", "-un"]).decode().strip(),
  "tempfile": tempfile.TemporaryFile().fileno() > 0,
}))
`);
  assert.deepEqual(result, { pair: "x", loopback: true, localhost: true, child: "agent", tempfile: true });
});

test("it never runs as the host's root", async () => {
  await sh(sandbox, "touch /workspace/owned");
  assert.notEqual(statSync(join(folder.path, "sandboxes/sbx_hostile/workspace/owned")).uid, 0);
});
