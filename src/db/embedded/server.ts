import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  statfsSync,
  statSync,
  truncateSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { type Binaries, chooseBinaries } from "./binaries.ts";
import { clusterMajor, identity, makeCluster, postgresEnv, reasonOf, writeAccess } from "./cluster.ts";
import { processGone, removeForeignPidFile, runningServer, stopServer } from "./process.ts";
import type { SystemUser } from "./user.ts";

export interface PostgresOptions {
  /** Holds `postgres/` (the data), `postgres.log` and, where they are needed, copied binaries. */
  data_dir: string;
  /** Where its socket lies. */
  socket_dir: string;
  /** Who it runs as; null is the user of this process. */
  user: SystemUser | null;
  /** System users that may connect as the role `drover`. The group of the first may reach the socket. */
  clients: SystemUser[];
  /** Takes the place of what is found on the machine. */
  binaries?: Binaries;
  /** Server settings beyond the safe defaults. */
  settings?: Record<string, string>;
  /** Gives up a start that takes long. */
  signal?: AbortSignal;
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

type Launched = Pick<Postgres, "exited" | "stop">;

/** Recovery after a crash may read a gigabyte of its log. */
const startTimeoutMs = 600_000;
/** A predecessor that was killed, or one of its processes, may live for a moment more. */
const predecessorTimeoutMs = 30_000;
const adoptTimeoutMs = 5_000;
/** Its SQLSTATE while it starts, recovers or stops. */
const cannotConnectNow = "57P03";
const logBytesMax = 16 << 20;
const logCheckMs = 60_000;

/** Starts the embedded server, or takes over the one that an earlier process has left running. */
export async function startPostgres(options: PostgresOptions): Promise<Postgres> {
  const data = join(options.data_dir, "postgres");
  const log = join(options.data_dir, "postgres.log");
  prepareSocketFolder(options);
  const adopted = await adopt(data, options.socket_dir);
  const server = adopted ?? (await start(data, log, options));
  try {
    const { version } = await prepareDatabase(options);
    boundLog(log, server.exited);
    return {
      ...server,
      url: urlOf(options.socket_dir, "drover"),
      admin_url: urlOf(options.socket_dir, "postgres"),
      version,
      adopted: adopted !== null,
    };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

/** Names what PGPORT and PGSSLMODE in the environment would set otherwise. */
const urlOf = (socketDir: string, role: string) =>
  `postgresql://${role}@/${role}?host=${encodeURIComponent(socketDir)}&port=5432&sslmode=disable`;

/** For the superuser, in the server's database. */
export const adminUrlOf = (socketDir: string) =>
  urlOf(socketDir, "postgres").replace("/postgres?", "/drover?");

/** For the role and the database `drover`. */
export const clientUrlOf = (socketDir: string) => urlOf(socketDir, "drover");

/** Closed to every other user of the machine: one without rights could still use up its connections. */
function prepareSocketFolder({ socket_dir, user, clients }: PostgresOptions): void {
  mkdirSync(socket_dir, { recursive: true });
  if (user) chownSync(socket_dir, user.uid, clients[0]?.gid ?? user.gid);
  chmodSync(socket_dir, 0o710);
}

/** A server that an earlier `drover up` has left behind: taken over if it answers here, else stopped. */
async function adopt(data: string, socketDir: string): Promise<Launched | null> {
  const found = runningServer(data);
  if (!found) return null;
  const deadline = Date.now() + adoptTimeoutMs;
  if (found.socket_dir === socketDir && (await ready(socketDir, deadline)) === "ready") {
    return { exited: processGone(found.pid), stop: () => stopServer(found.pid) };
  }
  await stopServer(found.pid);
  return null;
}

async function start(data: string, log: string, options: PostgresOptions): Promise<Launched> {
  const major = clusterMajor(data);
  const binaries = options.binaries ?? chooseBinaries(major, join(options.data_dir, "postgres-binaries"));
  if (major === null) await makeCluster(data, binaries, options.user);
  writeAccess(data, options.user, options.clients);
  removeForeignPidFile(data);
  const since = Date.now();
  for (;;) {
    options.signal?.throwIfAborted();
    const from = existsSync(log) ? statSync(log).size : 0;
    const server = launch(data, log, binaries, options);
    const outcome = await firstWord(server, options, since + startTimeoutMs);
    if (outcome === "ready") return server;
    options.signal?.throwIfAborted();
    if (outcome === "late") {
      throw new Error(`PostgreSQL did not answer within ${startTimeoutMs / 1000} s; see ${log}`);
    }
    const said = readFileSync(log, "utf8").slice(from);
    const predecessor = /lock file .* already exists|pre-existing shared memory block/.test(said);
    if (!predecessor || Date.now() > since + predecessorTimeoutMs) {
      // On a full disk it has no room to say so either.
      const why = isFull(options.data_dir) ? "the disk is full" : reasonOf(said);
      throw new Error(`PostgreSQL did not start: ${why} (see ${log})`);
    }
    await pause(200);
  }
}

/** PostgreSQL takes room for its log in pieces of 16 MiB. */
function isFull(folder: string): boolean {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize < 16 << 20;
}

/** Whichever comes first: it answers, it ends, or it has had time enough and is stopped. */
async function firstWord(
  server: Launched,
  { socket_dir, signal }: PostgresOptions,
  deadline: number,
): Promise<"ready" | "exited" | "late"> {
  const asking = new AbortController();
  const until = AbortSignal.any(signal ? [asking.signal, signal] : [asking.signal]);
  let outcome: "ready" | "exited" | "late" = "late";
  try {
    outcome = await Promise.race([
      ready(socket_dir, deadline, until),
      server.exited.then(() => "exited" as const),
    ]);
  } finally {
    asking.abort();
    if (outcome === "late") await server.stop();
  }
  return outcome;
}

function launch(data: string, log: string, binaries: Binaries, options: PostgresOptions): Launched {
  const fixed = { listen_addresses: "", unix_socket_directories: options.socket_dir };
  const settings = Object.entries({ ...options.settings, ...fixed });
  const file = openSync(log, "a", 0o600);
  const child = spawn(
    join(binaries.folder, "postgres"),
    ["-D", data, ...settings.flatMap(([name, value]) => ["-c", `${name}=${value}`])],
    {
      ...identity(options.user),
      cwd: "/",
      env: postgresEnv(),
      // Of a group of its own: Ctrl-C in the terminal must not reach it before its clients are done.
      detached: true,
      stdio: ["ignore", file, file],
    },
  );
  closeSync(file);
  child.unref();
  const exited = once(child, "exit").then(() => {});
  return {
    exited,
    async stop() {
      // Its end is seen before it is heard of, and nothing else may keep this process alive until then.
      child.ref();
      if (child.pid !== undefined) await stopServer(child.pid);
      await exited;
    },
  };
}

/** PostgreSQL holds its log open, so what is too long is copied away and cut off. */
function boundLog(log: string, exited: Promise<void>): void {
  const check = () => {
    if (!existsSync(log) || statSync(log).size < logBytesMax) return;
    try {
      copyFileSync(log, `${log}.1`);
    } catch {
      // Where there is no room for a copy, the old lines go.
    }
    truncateSync(log, 0);
  };
  check();
  const checking = setInterval(check, logCheckMs).unref();
  exited.then(() => clearInterval(checking));
}

async function ready(socketDir: string, deadline: number, signal?: AbortSignal): Promise<"ready" | "late"> {
  while (Date.now() < deadline && !signal?.aborted) {
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
  } catch (error) {
    const waitsForNothing = error instanceof pg.DatabaseError && error.code !== cannotConnectNow;
    if (waitsForNothing) throw new Error(`PostgreSQL refuses its own user: ${error.message}`);
    return false;
  } finally {
    await client.end().catch(() => {});
  }
}

/** The role and the database, made once. The role has no rights but over its own database. */
async function prepareDatabase({ socket_dir }: PostgresOptions): Promise<{ version: string }> {
  const client = new pg.Client({ connectionString: urlOf(socket_dir, "postgres") });
  client.on("error", () => {});
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
