import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { type Database, openDatabase } from "./database.ts";
import { migrate, readMigrations } from "./migrate.ts";

/** A database of its own for one test, migrated. `close` drops it. */
export type TestDatabase = Database & { url: string; close(): Promise<void> };

/**
 * The cluster comes from `DROVER_TEST_POSTGRES` (a URL with the right to create databases), which the test run sets;
 * a test file run by itself starts a cluster that ends with it.
 */
export async function testDatabase(
  options: { migrate?: boolean; connections?: number } = {},
): Promise<TestDatabase> {
  const cluster = process.env.DROVER_TEST_POSTGRES
    ? { url: process.env.DROVER_TEST_POSTGRES, stop: async () => {} }
    : await startCluster();
  const name = `test_${process.pid}_${Math.random().toString(36).slice(2, 8)}`;
  await inCluster(cluster.url, `create database ${name}`);
  const url = cluster.url.replace("/postgres?", `/${name}?`);
  const db = openDatabase({ url, connections: options.connections });
  if (options.migrate !== false) await migrate(db, readMigrations());
  return {
    ...db,
    url,
    async close() {
      await db.close();
      await inCluster(cluster.url, `drop database ${name} with (force)`);
      await cluster.stop();
    },
  };
}

async function inCluster(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

export interface TestCluster {
  url: string;
  stop(): Promise<void>;
}

/** A throw-away PostgreSQL in a folder under /tmp, reached by unix socket. It does not sync: a test run is not kept. */
export async function startCluster(bin = "/usr/lib/postgresql/15/bin"): Promise<TestCluster> {
  const folder = mkdtempSync(join(tmpdir(), "drover-pg-"));
  const user = process.getuid?.() === 0 ? idsOf("postgres") : null;
  if (user) {
    chownSync(folder, user.uid, user.gid);
    chmodSync(folder, 0o711);
  }
  const data = join(folder, "data");
  mkdirSync(data, { mode: 0o700 });
  if (user) chownSync(data, user.uid, user.gid);
  execFileSync(join(bin, "initdb"), ["-D", data, "-U", "postgres", "-A", "trust", "--no-sync"], {
    ...user,
    cwd: "/",
    stdio: "pipe",
  });
  const settings = ["-c", "listen_addresses=", "-c", `unix_socket_directories=${folder}`, "-c", "fsync=off"];
  const server = spawn(join(bin, "postgres"), ["-D", data, "-c", "max_connections=200", ...settings], {
    ...user,
    cwd: "/",
    stdio: ["ignore", "ignore", "pipe"],
  });
  const exited = once(server, "exit");
  await new Promise<void>((resolve, reject) => {
    server.stderr.on("data", (chunk) => {
      if (String(chunk).includes("ready to accept connections")) resolve();
    });
    server.once("exit", (code) => reject(new Error(`PostgreSQL ended with ${code} while it started`)));
  });
  return {
    url: `postgresql://postgres@/postgres?host=${encodeURIComponent(folder)}`,
    async stop() {
      server.kill("SIGINT");
      await exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function idsOf(name: string): { uid: number; gid: number } {
  const id = (flag: string) => Number(execFileSync("id", [flag, name], { encoding: "utf8" }));
  return { uid: id("-u"), gid: id("-g") };
}
