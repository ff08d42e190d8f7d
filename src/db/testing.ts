import { spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { type DatabasePool, openDatabase } from "./database.ts";
import type { Binaries } from "./embedded/binaries.ts";
import { startPostgres } from "./embedded/server.ts";
import { systemUser } from "./embedded/user.ts";
import { migrate, readMigrations } from "./migrate.ts";

/** A database of its own for one test, migrated. `close` drops it. */
export type TestDatabase = DatabasePool & { url: string; close(): Promise<void> };

/** In a test run's cluster: the database with all migrations of which those of tests are copies. */
const template = "drover_template";

/**
 * The cluster comes from `DROVER_TEST_POSTGRES` (a URL with the right to create databases), which the test run sets
 * together with `DROVER_TEST_TEMPLATE`; a test file run by itself starts a cluster that ends with it.
 */
export async function testDatabase(
  options: { migrate?: boolean; connections?: number } = {},
): Promise<TestDatabase> {
  const cluster = process.env.DROVER_TEST_POSTGRES
    ? { url: process.env.DROVER_TEST_POSTGRES, stop: async () => {} }
    : await startCluster();
  const name = `test_${process.pid}_${Math.random().toString(36).slice(2, 8)}`;
  const source = options.migrate === false ? undefined : process.env.DROVER_TEST_TEMPLATE;
  // Nobody writes to the template, and its files are copied in half of the time that writing them to the log takes.
  const copied = source ? ` template ${source} strategy file_copy` : "";
  await inCluster(cluster.url, `create database ${name}${copied}`);
  const url = cluster.url.replace("/postgres?", `/${name}?`);
  const db = openDatabase({ url, connections: options.connections });
  if (options.migrate !== false && !source) await migrate(db, readMigrations());
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

/** Makes the template of a test run's databases, and resolves with its name. */
export async function makeTemplate(cluster: TestCluster): Promise<string> {
  await inCluster(cluster.url, `create database ${template}`);
  const db = openDatabase({ url: cluster.url.replace("/postgres?", `/${template}?`) });
  await migrate(db, readMigrations());
  // While anybody is connected to it, nobody can copy it.
  await db.close();
  return template;
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
export async function startCluster(binaries?: Binaries): Promise<TestCluster> {
  const folder = mkdtempSync(join(tmpdir(), "drover-pg-"));
  chmodSync(folder, 0o711);
  const watched = endWithThisProcess(folder, folder);
  const server = await startPostgres({
    data_dir: folder,
    socket_dir: join(folder, "socket"),
    user: process.getuid?.() === 0 ? systemUser("drover-postgres") : null,
    clients: [],
    binaries,
    settings: { fsync: "off", full_page_writes: "off", max_connections: "200" },
  });
  return {
    url: server.admin_url,
    async stop() {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
      watched();
    },
  };
}

/**
 * A test that is killed ends no PostgreSQL: what reads from a pipe of this process until that is closed, however it ends, stops
 * the one with this data and removes the folder. The returned function says that it is done.
 */
export function endWithThisProcess(folder: string, data_dir: string): () => void {
  const script = `cat; pid=$(head -n 1 "$2/postgres/postmaster.pid") && kill -QUIT "$pid" && while kill -0 "$pid"; do sleep 0.1; done
    umount "$2"; rm -rf "$1"`;
  const child = spawn("sh", ["-c", script, "sh", folder, data_dir], {
    cwd: "/",
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  child.unref();
  const { stdin } = child;
  stdin.on("error", () => {});
  if (stdin instanceof Socket) stdin.unref();
  return () => stdin.end();
}
