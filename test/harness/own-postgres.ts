import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { openDatabase } from "../../src/db/database.ts";
import { startPostgres } from "../../src/db/embedded/server.ts";
import { systemUser } from "../../src/db/embedded/user.ts";
import { migrate, readMigrations } from "../../src/db/migrate.ts";
import { endWithThisProcess, type TestDatabase } from "../../src/db/testing.ts";

/** A PostgreSQL of a test's own, to be done harm. The server under test has no special rights in it. */
export interface OwnPostgres {
  db: TestDatabase;
  /** Runs statements one by one, as its superuser in the server's database. */
  admin(...sql: string[]): Promise<void>;
  /** Ends the connections of the server under test. */
  cutAll(): Promise<void>;
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Resolves when it has ended, also by itself. */
  exited(): Promise<void>;
  /** Of its disk: leaves no byte free, and gives the room back. */
  fillDisk(): void;
  emptyDisk(): void;
  close(): Promise<void>;
}

const diskMb = 192;

/** Whether this user may mount a small disk of the test's own. */
export const canMount = process.getuid?.() === 0 && process.platform === "linux";

/** With `disk` its data lies on a small file system of its own. */
export async function startOwnPostgres(options: { disk: boolean }): Promise<OwnPostgres> {
  const folder = mkdtempSync(join(tmpdir(), "drover-own-pg-"));
  chmodSync(folder, 0o711);
  const data_dir = join(folder, "data");
  mkdirSync(data_dir);
  if (options.disk) run("mount", "-t", "tmpfs", "-o", `size=${diskMb}m,mode=711`, "tmpfs", data_dir);
  const filler = join(data_dir, "filler");
  const user = process.getuid?.() === 0 ? systemUser("drover-postgres") : null;
  if (user) chownSync(data_dir, user.uid, user.gid);
  const start = () =>
    startPostgres({
      data_dir,
      socket_dir: join(folder, "socket"),
      user,
      clients: [],
      // Room for its log is not what is tested first.
      settings: { fsync: "off", min_wal_size: "32MB", max_wal_size: "64MB" },
    });
  const watched = endWithThisProcess(folder, data_dir);
  let server = await start();
  const { url } = server;
  const adminUrl = server.admin_url.replace("/postgres?", "/drover?");
  const pool = openDatabase({ url });
  await migrate(pool, readMigrations());

  async function admin(...sql: string[]): Promise<void> {
    const client = new pg.Client({ connectionString: adminUrl });
    client.on("error", () => {});
    await client.connect();
    try {
      for (const each of sql) await client.query(each);
    } finally {
      await client.end();
    }
  }

  return {
    db: { ...pool, url },
    admin,
    cutAll: () => admin("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'drover'"),
    stop: () => server.stop(),
    async start() {
      server = await start();
    },
    exited: () => server.exited,
    fillDisk() {
      const { bavail, bsize } = statfsSync(data_dir);
      writeFileSync(filler, Buffer.alloc(bavail * bsize));
    },
    emptyDisk: () => rmSync(filler, { force: true }),
    async close() {
      await pool.close();
      await server.stop();
      if (options.disk) run("umount", data_dir);
      rmSync(folder, { recursive: true, force: true });
      watched();
    },
  };
}

function run(program: string, ...args: string[]): void {
  const { status, stderr } = spawnSync(program, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${program} ${args.join(" ")}: ${stderr}`);
}
