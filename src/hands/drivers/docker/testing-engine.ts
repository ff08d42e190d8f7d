import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { findProgram } from "../bwrap.ts";
import { connectEngine } from "./engine.ts";

export interface TestEngine {
  socket: string;
  /** The one that it has. */
  image: string;
  /** The same programs by another name, with what a Dockerfile says of them. */
  importImage(name: string, changes: string[]): Promise<void>;
  /** Ends it, with its containers, until it is started again. */
  stop(): Promise<void>;
  start(): Promise<void>;
  /** SIGSTOP and SIGCONT. */
  freeze(): void;
  thaw(): void;
  close(): Promise<void>;
}

/** What the shared tests need inside, with the libraries of each. */
const programs =
  `base64 basename bash cat chmod cmp cp curl cut date dirname du env find getent git grep head id kill ln ls mkdir mkfifo
  mktemp mount mv od perl pgrep pkill printf ps python3 readlink rm sed seq sh sha256sum sleep sort stat tail tar tee timeout touch tr true
  umount uname unshare wc whoami xargs yes`.split(/\s+/);
const dockerd = () => ["/usr/sbin/dockerd", findProgram("dockerd") ?? ""].find((path) => existsSync(path));
/** gVisor, which opens no pipes of the host unless it is told to. */
const runtimes = Object.fromEntries(
  Object.entries({ runsc: ["--host-fifo=open"], shut: [] }).map(([name, more]) => [
    name,
    { path: findProgram("runsc") ?? "/usr/bin/runsc", runtimeArgs: ["--network=none", ...more] },
  ]),
);
const startMsMax = 60_000;
const readyPollMs = 100;

/** Null when this machine can start one, else what it lacks. */
export function engineMissing(): string | null {
  if (process.platform !== "linux" || process.getuid?.() !== 0)
    return "starts an engine of its own, which needs root on Linux";
  return dockerd() ? null : "needs the package docker.io";
}

/** An engine of its own that touches nothing of the machine's: no bridge, no firewall rule, its own folder for everything. */
export async function startEngine(): Promise<TestEngine> {
  const folder = mkdtempSync(join(tmpdir(), "drover-engine-"));
  const socket = join(folder, "docker.sock");
  const image = "drover-test:1";
  const arguments_ = [
    ...[
      "--data-root",
      join(folder, "data"),
      "--exec-root",
      join(folder, "run"),
      "--pidfile",
      join(folder, "pid"),
    ],
    ...[
      "--host",
      `unix://${socket}`,
      "--bridge",
      "none",
      "--iptables=false",
      "--ip-forward=false",
      "--ip-masq=false",
    ],
    ...["--config-file", join(folder, "daemon.json")],
    ...["--log-level", "error", "--shutdown-timeout", "5"],
  ];
  writeFileSync(join(folder, "daemon.json"), JSON.stringify({ runtimes }));
  const engine = connectEngine(socket);
  let child: ChildProcess;

  async function start(): Promise<void> {
    child = spawn(dockerd() ?? "", arguments_, { stdio: ["ignore", "ignore", "pipe"], cwd: "/" });
    let said = "";
    child.stderr?.on("data", (chunk) => {
      said = (said + chunk).slice(-2_000);
    });
    const until = Date.now() + startMsMax;
    const answers = () => engine.ask("GET", "/version").then(Boolean, () => false);
    while (!(await answers())) {
      if (child.exitCode !== null || Date.now() > until) {
        await close();
        throw new Error(`dockerd did not start: ${said}`);
      }
      await delay(readyPollMs);
    }
  }

  async function stop(): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGTERM");
    await exited;
  }

  async function close(): Promise<void> {
    await stop();
    rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }

  await start();
  try {
    await importRoot(socket, image, [], join(folder, "root"));
  } catch (error) {
    await close();
    throw error;
  }
  return {
    ...{ socket, image, start, stop, close },
    importImage: (name, changes) => importRoot(socket, name, changes, join(folder, "root")),
    freeze: () => child.kill("SIGSTOP"),
    thaw: () => child.kill("SIGCONT"),
  };
}

/** A few programs of this machine, as an image. */
async function importRoot(socket: string, image: string, changes: string[], root: string): Promise<void> {
  for (const path of [
    "usr/bin",
    "usr/lib",
    "usr/lib64",
    "etc",
    "tmp",
    "dev",
    "proc",
    "sys",
    "run",
    "mnt",
    "workspace",
  ])
    mkdirSync(join(root, path), { recursive: true });
  chmodSync(join(root, "tmp"), 0o1777);
  for (const name of ["bin", "lib", "lib64"]) symlinkSync(`usr/${name}`, join(root, name));
  const paths = programs.map((name) => `/usr/bin/${name}`).filter((path) => existsSync(path));
  const modules = globSync("/usr/lib/python3.*/lib-dynload/*.so");
  const { stdout } = await promisify(execFile)("ldd", [...paths, ...modules]);
  const libraries = [...stdout.matchAll(/(\/\S+) \(0x/g)].map(([, path = ""]) => path);
  for (const path of new Set([...paths, ...libraries])) {
    const at = join(root, path.startsWith("/usr/") ? path : `/usr${path}`);
    mkdirSync(dirname(at), { recursive: true });
    copyFileSync(path, at);
  }
  for (const folder of globSync("/usr/lib/{*-linux-gnu/{perl-base,librt.so.1},locale/C.utf8,python3.*}"))
    cpSync(folder, join(root, folder), { recursive: true, verbatimSymlinks: true });
  const tar = spawn("tar", ["-C", root, "-c", "."], { stdio: ["ignore", "pipe", "inherit"] });
  const [repo, tag] = image.split(":");
  const said = changes.map((change) => `&changes=${encodeURIComponent(change)}`).join("");
  const path = `/images/create?fromSrc=-&repo=${repo}&tag=${tag}${said}`;
  const headers = { "content-type": "application/x-tar" };
  const call = request({ socketPath: socket, method: "POST", path, headers, agent: false });
  tar.stdout.pipe(call);
  const [response] = (await once(call, "response")) as [IncomingMessage];
  const answer = await text(response);
  if (response.statusCode !== 200) throw new Error(`the image was not imported: ${answer}`);
  rmSync(root, { recursive: true });
}
