import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import pg from "pg";
import { identity } from "./cluster.ts";
import { type Postgres, type PostgresOptions, startPostgres } from "./server.ts";
import { systemUser } from "./user.ts";

const isRoot = process.getuid?.() === 0;
let folder: string;
let options: PostgresOptions;
let data: string;
let last: Postgres | null = null;

before(() => {
  folder = mkdtempSync(join(tmpdir(), "drover-pg-test-"));
  chmodSync(folder, 0o711);
  data = join(folder, "postgres");
  options = {
    data_dir: folder,
    socket_dir: join(folder, "socket"),
    user: isRoot ? systemUser("drover-postgres") : null,
    clients: [],
  };
});
after(async () => {
  await last?.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function start(changed: Partial<PostgresOptions> = {}): Promise<Postgres> {
  last = await startPostgres({ ...options, ...changed });
  return last;
}

const pidFile = () => join(data, "postmaster.pid");
const pidOf = () => Number(readFileSync(pidFile(), "utf8").split("\n")[0]);

async function ask(url: string, sql: string): Promise<unknown> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query({ text: sql, rowMode: "array" });
    return rows[0]?.[0];
  } finally {
    await client.end();
  }
}

test("it syncs, checks its pages, listens on its socket alone and keeps others from it", async () => {
  const { admin_url, adopted } = await start();
  assert.equal(adopted, false);
  const set = (name: string) => ask(admin_url, `show ${name}`);
  assert.deepEqual(
    await Promise.all(["fsync", "full_page_writes", "synchronous_commit", "data_checksums"].map(set)),
    ["on", "on", "on", "on"],
  );
  assert.equal(await set("listen_addresses"), "");
  assert.equal(statSync(options.socket_dir).mode & 0o007, 0);
});

test("a program that stops it hears of its end, even when it saw it before", async () => {
  const program = `
    import { readFileSync } from "node:fs";
    import { startPostgres } from ${JSON.stringify(import.meta.resolve("./server.ts"))};
    const server = await startPostgres(JSON.parse(process.argv[1]));
    const [pid] = readFileSync(process.argv[2], "utf8").split("\\n");
    setImmediate(() => { while (!readFileSync("/proc/" + pid + "/stat", "utf8").includes(") Z ")); });
    await server.stop();
    await server.exited;`;
  await last?.stop();
  const args = ["--input-type=module-typescript", "--eval", program, JSON.stringify(options), pidFile()];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "inherit", "inherit"] });
  assert.deepEqual(await once(child, "exit"), [0, null]);
  await start();
});

test("one that was left running is taken over", async () => {
  const pid = pidOf();
  const again = await start();
  assert.equal(again.adopted, true);
  assert.equal(pidOf(), pid);
  await ask(again.admin_url, "create table kept ()");
});

test("one that listens elsewhere is stopped, and started where it is wanted", async () => {
  const pid = pidOf();
  const moved = await start({ socket_dir: join(folder, "elsewhere") });
  assert.equal(moved.adopted, false);
  assert.notEqual(pidOf(), pid);
});

test("a taken-over server that is killed is noticed, and the next one recovers", async () => {
  const adopted = await start({ socket_dir: join(folder, "elsewhere") });
  assert.equal(adopted.adopted, true);
  process.kill(pidOf(), "SIGKILL");
  await adopted.exited;
  const next = await start();
  assert.equal(next.adopted, false);
  assert.equal(await ask(next.admin_url, "select count(*)::int from kept"), 0);
});

test("settings of the environment for other servers do not reach it", async () => {
  const before = { ...process.env };
  Object.assign(process.env, { PGPORT: "1", PGSSLMODE: "require", PGHOST: "192.0.2.1", PGUSER: "nobody" });
  try {
    assert.equal((await start()).adopted, true);
  } finally {
    for (const name of ["PGPORT", "PGSSLMODE", "PGHOST", "PGUSER"]) {
      if (before[name] === undefined) delete process.env[name];
      else process.env[name] = before[name];
    }
  }
});

test("a pid file whose pid is now another process of the same user stops nobody", async () => {
  await last?.stop();
  const other = spawn("sleep", ["600"], identity(options.user));
  await once(other, "spawn");
  writeFileSync(pidFile(), `${other.pid}\n${data}\n1\n5432\n${options.socket_dir}\n\n`);
  assert.equal((await start()).adopted, false);
  assert.equal(other.exitCode, null);
  other.kill();
});

test("a data directory of an unknown version, or of none, is refused in one line and left alone", async () => {
  const version = join(data, "PG_VERSION");
  await last?.stop();
  const right = readFileSync(version, "utf8");
  for (const [text, message] of [
    ["14\n", /made by PostgreSQL 14; this version of Drover runs 15 to 18/],
    ["99\n", /made by PostgreSQL 99/],
    ["\n", /names no PostgreSQL version/],
  ] as const) {
    writeFileSync(version, text);
    await assert.rejects(start(), message);
  }
  rmSync(version);
  await assert.rejects(start(), /no PG_VERSION: restore it/);
  assert.ok(existsSync(join(data, "base")));
  writeFileSync(version, right);
  await start();
});
