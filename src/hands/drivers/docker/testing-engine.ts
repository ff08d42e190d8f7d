import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { findProgram } from "../bwrap.ts";
import { connectEngine } from "./engine.ts";

export interface TestEngine {
  socket: string;
  /** The one that it has. */
  image: string;
  close(): Promise<void>;
}

/** What the shared tests need inside, with the libraries of each. */
const programs =
  `bash cat chmod cut curl cp date dirname du env find grep head id kill ln ls mkdir mkfifo mv perl pgrep pkill
  printf ps rm sed seq sh sleep sort stat tail timeout touch tr true uname wc whoami`.split(/\s+/);
const dockerd = () => ["/usr/sbin/dockerd", findProgram("dockerd") ?? ""].find((path) => existsSync(path));
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
  const child = spawn(
    dockerd() ?? "",
    [
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
      ...["--log-level", "error", "--shutdown-timeout", "5"],
    ],
    { stdio: ["ignore", "ignore", "pipe"], cwd: "/" },
  );
  let said = "";
  child.stderr?.on("data", (chunk) => {
    said = (said + chunk).slice(-2_000);
  });
  const exited = once(child, "exit");

  async function close(): Promise<void> {
    child.kill("SIGTERM");
    await exited;
    rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }

  const engine = connectEngine(socket);
  const until = Date.now() + startMsMax;
  while (
    !(await engine.ask("GET", "/version").then(
      () => true,
      () => false,
    ))
  ) {
    if (child.exitCode !== null || Date.now() > until) {
      await close();
      throw new Error(`dockerd did not start: ${said}`);
    }
    await delay(readyPollMs);
  }
  const image = "drover-test:1";
  await importRoot(socket, image, join(folder, "root"));
  return { socket, image, close };
}

/** A few programs of this machine, as an image. */
async function importRoot(socket: string, image: string, root: string): Promise<void> {
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
  const paths = programs.flatMap((name) => findProgram(name) ?? []);
  const { stdout } = await promisify(execFile)("ldd", paths);
  const libraries = [...stdout.matchAll(/(\/\S+) \(0x/g)].map(([, path = ""]) => path);
  for (const path of new Set([...paths, ...libraries])) {
    const at = join(root, path.startsWith("/usr/") ? path : `/usr${path}`);
    mkdirSync(dirname(at), { recursive: true });
    copyFileSync(path, at);
  }
  const folders = ["x86_64-linux-gnu/perl-base", "aarch64-linux-gnu/perl-base", "locale/C.utf8"];
  for (const folder of folders.map((name) => `/usr/lib/${name}`))
    if (existsSync(folder)) cpSync(folder, join(root, folder), { recursive: true });
  const tar = spawn("tar", ["-C", root, "-c", "."], { stdio: ["ignore", "pipe", "inherit"] });
  const [repo, tag] = image.split(":");
  const path = `/images/create?fromSrc=-&repo=${repo}&tag=${tag}`;
  await connectEngine(socket).send(path, tar.stdout, "application/x-tar");
  rmSync(root, { recursive: true });
}
