import assert from "node:assert/strict";
import { after, test } from "node:test";
import pg from "pg";
import { openDatabase } from "../src/db/database.ts";
import { migrate, readMigrations } from "../src/db/migrate.ts";
import { startCluster, testDatabase } from "../src/db/testing.ts";
import { patience } from "./harness/patience.ts";
import { startTestServer } from "./harness/server.ts";
import { type SilentProxy, startSilentProxy } from "./harness/silent-proxy.ts";

const patienceMs = 60_000;

const db = await testDatabase();
const cluster = await startCluster();
const partsOf = (url: string) => new URL(url.replace("@/", "@x/"));
const { username: user, pathname } = partsOf(db.url);
const name = pathname.slice(1);

const first = await openServer(db.url);
await run(cluster.url, `create database ${name}`);
const second = await openServer(cluster.url.replace("/postgres?", `/${name}?`));
after(async () => {
  for (const { proxy } of [first, second]) await proxy.close();
  await db.close();
  await cluster.stop();
});

interface DatabaseServer {
  url: string;
  proxy: SilentProxy;
}

/** Reached by a port beside its socket. */
async function openServer(url: string): Promise<DatabaseServer> {
  const folder = partsOf(url).searchParams.get("host");
  return { url, proxy: await startSilentProxy({ path: `${folder}/.s.PGSQL.5432` }) };
}

async function run(url: string, ...statements: string[]): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const rows: unknown[] = [];
  for (const statement of statements) rows.push(...(await client.query(statement)).rows);
  await client.end();
  return rows;
}

/** As a standby does, it answers whoever only reads; who was connected to the primary is cut off. */
const makeStandby = ({ url }: DatabaseServer) =>
  run(
    url,
    `alter database ${name} set default_transaction_read_only = on`,
    "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()",
  );

const makePrimary = ({ url }: DatabaseServer) =>
  run(
    url,
    "set default_transaction_read_only = off",
    `alter database ${name} reset default_transaction_read_only`,
  );

test("a server that is asked for nothing goes over from a primary that is a standby now", async (t) => {
  const waiting = patience(patienceMs, async () => "");
  t.after(waiting.end);
  const copy = openDatabase({ url: second.url });
  await migrate(copy, readMigrations());
  await copy.close();
  await makeStandby(second);
  const hosts = [first, second].map(({ proxy }) => `127.0.0.1:${proxy.port}`).join(",");
  const database_url = `postgresql://${user}@${hosts}/${name}?sslmode=disable`;
  const api = await startTestServer({ db, database_url, roles: ["api"] });
  t.after(api.close);
  assert.equal((await fetch(`${api.url}/healthz`)).status, 200);

  await makePrimary(second);
  await makeStandby(first);
  await waiting.until("the server among the processes of the new primary", async () => {
    assert.equal((await run(second.url, "select from process")).length, 1);
  });
  assert.equal((await fetch(`${api.url}/healthz`)).status, 200);
  await api.client.beta.environments.create({ name: "of the new primary" });
  assert.equal((await run(second.url, "select from environment")).length, 1);
});
