import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { type Binaries, chooseBinaries } from "./binaries.ts";
import type { SystemUser } from "./user.ts";

export interface PostgresOptions {
  /** Holds `postgres/` (the data), `postgres.log` and, where they are needed, copied binaries. */
  data_dir: string;
  /** Where its socket lies. */
  socket_dir: string;
  /** Who it runs as; null is the user of this process. */
  user: SystemUser | null;
  /** System users that may connect as the role `drover`. */
  clients: string[];
  /** Takes the place of what is found on the machine. */
  binaries?: Binaries;
  /** Server settings beyond the safe defaults. */
  settings?: Record<string, string>;
}

export interface Postgres {
  /** For the role and the database `drover`. */
  url: string;
  /** For its superuser, open to the user of this process. */
  admin_url: string;
  version: string;
  /** It was still running from before. */
  adopted: boolean;
  /** Resolves when the server is gone. */
  exited: Promise<void>;
  /** A fast shutdown. */
  stop(): Promise<void>;
}

const startTimeoutMs = 60_000;
const stopTimeoutMs = 30_000;
const logBytesMax = 16 << 20;

/** Starts the embedded server, or takes over the one that an earlier process has left running. */
export async function startPostgres(options: PostgresOptions): Promise<Postgres> {
  const data = join(options.data_dir, "postgres");
  const log = join(options.data_dir, "postgres.log");
  prepareFolder(options.socket_dir, 0o755, options.user);
  const adopted = await adopt(data, options.socket_dir);
  const urls = { url: urlOf(options.socket_dir, "drover"), admin_url: urlOf(options.socket_dir, "postgres") };
  if (adopted) return { ...adopted, ...urls, ...(await prepareDatabase(options)), adopted: true };
  const binaries =
    options.binaries ?? chooseBinaries(majorOf(data), join(options.data_dir, "postgres-binaries"));
  if (majorOf(data) === null) await initialise(data, binaries, options.user);
  writeAccess(data, options);
  const server = await launch(data, log, binaries, options);
  return { ...server, ...urls, ...(await prepareDatabase(options)), adopted: false };
}

const urlOf = (socketDir: string, role: string) =>
  `postgresql://${role}@/${role}?host=${encodeURIComponent(socketDir)}`;

function majorOf(data: string): number | null {
  const file = join(data, "PG_VERSION");
  return existsSync(file) ? Number.parseInt(readFileSync(file, "utf8"), 10) : null;
}

function prepareFolder(path: string, mode: number, user: SystemUser | null): void {
  mkdirSync(path, { recursive: true, mode });
  if (user) chownSync(path, user.uid, user.gid);
}

/** In a folder beside, moved into place when it is whole: one that was cut short is not taken for a cluster. */
async function initialise(data: string, binaries: Binaries, user: SystemUser | null): Promise<void> {
  const part = `${data}.new`;
  rmSync(part, { recursive: true, force: true });
  prepareFolder(part, 0o700, user);
  const args = ["-D", part, "-U", "postgres", "-A", "peer", "-E", "UTF8", "--locale=C", "--data-checksums"];
  const child = spawn(join(binaries.folder, "initdb"), args, {
    ...identity(user),
    cwd: "/",
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (chunk) => {
    said = `${said}${chunk}`.slice(-4_000);
  });
  const [code] = await once(child, "close");
  if (code !== 0) {
    rmSync(part, { recursive: true, force: true });
    throw new Error(`PostgreSQL's data directory could not be made: ${reasonOf(said)}`);
  }
  rmSync(data, { recursive: true, force: true });
  renameSync(part, data);
}

const identity = (user: SystemUser | null) => (user ? { uid: user.uid, gid: user.gid } : {});

/** The system tells PostgreSQL which user connects, so there is no password to keep. */
function writeAccess(data: string, options: PostgresOptions): void {
  const own = options.user?.name ?? userInfo().username;
  const administrators = new Set([own, userInfo().username]);
  const lines = [...administrators].map((name) => `drover "${name}" postgres`);
  for (const name of new Set([...administrators, ...options.clients])) lines.push(`drover "${name}" drover`);
  writeOwned(join(data, "pg_hba.conf"), "local all all peer map=drover\n", options.user);
  writeOwned(join(data, "pg_ident.conf"), `${lines.join("\n")}\n`, options.user);
}

function writeOwned(path: string, text: string, user: SystemUser | null): void {
  writeFileSync(path, text, { mode: 0o600 });
  if (user) chownSync(path, user.uid, user.gid);
}

async function launch(data: string, log: string, binaries: Binaries, options: PostgresOptions) {
  const deadline = Date.now() + startTimeoutMs;
  const fixed = { listen_addresses: "", unix_socket_directories: options.socket_dir };
  const settings = Object.entries({ ...options.settings, ...fixed });
  for (;;) {
    const from = existsSync(log) && statSync(log).size < logBytesMax ? statSync(log).size : 0;
    const file = openSync(log, from === 0 ? "w" : "a", 0o600);
    // Of a group of its own: Ctrl-C in the terminal must not reach it before its clients are done.
    const child = spawn(
      join(binaries.folder, "postgres"),
      ["-D", data, ...settings.flatMap(([name, value]) => ["-c", `${name}=${value}`])],
      {
        ...identity(options.user),
        cwd: "/",
        env: { PATH: process.env.PATH, LANG: "C" },
        detached: true,
        stdio: ["ignore", file, file],
      },
    );
    closeSync(file);
    child.unref();
    const exited = once(child, "exit").then(() => {});
    const outcome = await Promise.race([
      ready(options.socket_dir, deadline),
      exited.then(() => "exited" as const),
    ]);
    if (outcome === "ready") return { exited, stop: () => stopProcess(child.pid ?? 0) };
    if (outcome === "late") {
      await stopProcess(child.pid ?? 0);
      throw new Error(`PostgreSQL did not answer within ${startTimeoutMs / 1000} s; see ${log}`);
    }
    const said = readFileSync(log, "utf8").slice(from);
    // The kernel may take a while to bury a killed predecessor.
    if (!/lock file .* already exists/.test(said) || Date.now() > deadline) {
      throw new Error(`PostgreSQL did not start: ${reasonOf(said)} (see ${log})`);
    }
    await pause(200);
  }
}

async function ready(socketDir: string, deadline: number): Promise<"ready" | "late"> {
  while (Date.now() < deadline) {
    if (await answers(socketDir)) return "ready";
    await pause(20);
  }
  return "late";
}

async function answers(socketDir: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: urlOf(socketDir, "postgres") });
  client.on("error", () => {});
  try {
    await client.connect();
    await client.query("select 1");
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => {});
  }
}

/** A server that an earlier `drover up` has left behind: taken over if it answers here, else stopped. */
async function adopt(data: string, socketDir: string): Promise<Pick<Postgres, "exited" | "stop"> | null> {
  const pid = runningPid(data);
  if (pid === null) return null;
  const exited = watchPid(pid);
  if ((await ready(socketDir, Date.now() + 5_000)) === "ready")
    return { exited, stop: () => stopProcess(pid) };
  await stopProcess(pid);
  return null;
}

/** The process that its pid file names, if that is still a PostgreSQL over this directory and not a later process. */
function runningPid(data: string): number | null {
  try {
    const [pid = ""] = readFileSync(join(data, "postmaster.pid"), "utf8").split("\n");
    process.kill(Number(pid), 0);
    const commandLine = readFileSync(`/proc/${pid}/cmdline`, "utf8");
    return commandLine.includes(data) ? Number(pid) : null;
  } catch {
    return null;
  }
}

async function watchPid(pid: number): Promise<void> {
  while (isAlive(pid)) await pause(200, undefined, { ref: false });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch {
    return false;
  }
}

/** SIGINT is PostgreSQL's fast shutdown, SIGQUIT its immediate one, after which it recovers at the next start. */
async function stopProcess(pid: number): Promise<void> {
  for (const signal of ["SIGINT", "SIGQUIT"] as const) {
    if (!isAlive(pid)) return;
    process.kill(pid, signal);
    const deadline = Date.now() + stopTimeoutMs;
    while (isAlive(pid) && Date.now() < deadline) await pause(10);
  }
}

/** The role and the database, made once. The role has no rights but over its own database. */
async function prepareDatabase({ socket_dir }: PostgresOptions): Promise<{ version: string }> {
  const client = new pg.Client({ connectionString: urlOf(socket_dir, "postgres") });
  await client.connect();
  try {
    const role = await client.query("select from pg_roles where rolname = 'drover'");
    if (role.rowCount === 0) await client.query("create role drover login");
    const database = await client.query("select from pg_database where datname = 'drover'");
    if (database.rowCount === 0) await client.query("create database drover owner drover");
    const { rows } = await client.query<{ server_version: string }>("show server_version");
    return { version: rows[0]?.server_version.split(" ")[0] ?? "" };
  } finally {
    await client.end();
  }
}

/** The line of PostgreSQL's own words that says why. */
function reasonOf(said: string): string {
  if (/No space left on device/.test(said)) return "the disk is full";
  const lines = said.split("\n").filter((line) => line.trim() !== "");
  const fatal =
    lines.findLast((line) => /FATAL|PANIC|error:/.test(line)) ?? lines.at(-1) ?? "it gave no reason";
  return fatal.replace(/^.*?(FATAL|PANIC|error): */, "").trim();
}
