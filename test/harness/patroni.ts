import { spawn } from "node:child_process";
import {
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { systemBinaries } from "../../src/db/embedded/binaries.ts";
import { type SystemUser, systemUser } from "../../src/db/embedded/user.ts";
import { freePort } from "./free-port.ts";
import { patience } from "./patience.ts";
import { processesIn, signalIn } from "./processes-in.ts";

/** A server of the cluster, as a machine of its own: its PostgreSQL and the Patroni that watches over it. */
export interface PatroniServer {
  name: string;
  port: number;
  /** All of it, without a word. */
  kill(): void;
  /**
   * It stands still, its connections stay. Patroni does so in the midst of a round: it has seen who leads, and has not yet
   * said that it still does.
   */
  freeze(): Promise<void>;
  thaw(): void;
  /** After `kill`. */
  start(): void;
}

export interface PatroniCluster {
  /** Names all servers. */
  url: string;
  /**
   * The one that takes writes, once another one follows it and no commit is acknowledged before that one has it. Rejects
   * when that is not so at this moment.
   */
  leader(): Promise<PatroniServer>;
  /** Moves the leadership as an operator would. */
  switchOver(): Promise<void>;
  /** How the servers see themselves, and the end of what all parts of it have written. */
  report(): Promise<string>;
  close(): Promise<void>;
}

const programs = { patroni: "/usr/bin/patroni", etcd: "/usr/bin/etcd" };
const firstPrimaryMs = 120_000;
const askMs = 3_000;
const switchMs = 60_000;
const killedMs = 50;
/** Of Patroni, which asks PostgreSQL in each round, and waits for it. */
const roundMs = 1_500;
/** Of each part, in a report, which leaves out what Patroni says every second. */
const lastLines = 60;
const everySecond = /INFO: (no action\.|Lock owner:)/;
const password = "of-the-test-bed";

/** Why there can be none on this machine; null when there can. */
export function patroniIsMissing(): string | null {
  for (const [name, path] of Object.entries(programs))
    if (!existsSync(path)) return `${name} is not on this machine: apt-get install patroni etcd-server`;
  if (!binaries()) return "no PostgreSQL of a package is on this machine: apt-get install postgresql";
  return null;
}

const binaries = () => systemBinaries().find(({ folder }) => existsSync(join(folder, "pg_rewind")));

/** Two servers that replicate synchronously, and etcd, which says who leads. */
export async function startPatroni(): Promise<PatroniCluster> {
  const folder = mkdtempSync(join(tmpdir(), "drover-patroni-"));
  const user = process.getuid?.() === 0 ? systemUser("drover-postgres") : null;
  if (user) chownSync(folder, user.uid, user.gid);
  const bed: Bed = { folder, user, etcd: await freePort() };
  const servers: Server[] = [];

  async function close(): Promise<void> {
    do {
      signalIn(folder, "SIGKILL");
      await pause(killedMs);
    } while (processesIn(folder).length > 0);
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }

  async function report(): Promise<string> {
    const told = servers.map(async ({ name, api }) => [
      `${name}: ${await stateOf(api)}`,
      ...logOf(bed, name),
    ]);
    return [...(await Promise.all(told)), logOf(bed, "etcd")].flat().join("\n");
  }

  try {
    await startEtcd(bed);
    for (const name of ["one", "two"]) {
      servers.push(await newServer(name, bed));
      // The first to come makes the database.
      const waiting = patience(firstPrimaryMs, report);
      if (name === "one") await waiting.until("a first primary", () => primaryOf(servers));
      waiting.end();
    }
  } catch (error) {
    await close();
    throw error;
  }

  const leader = async () => {
    const found = await primaryOf(servers);
    if (!(await anyFollows(servers))) throw new Error(`${found.name} leads, and nobody follows it in step`);
    return found;
  };
  return {
    url: `postgresql://postgres:${password}@${servers.map(({ port }) => `127.0.0.1:${port}`).join(",")}/postgres`,
    leader,
    async switchOver() {
      const { name, api } = await leader();
      const answer = await fetch(`http://127.0.0.1:${api}/switchover`, {
        method: "POST",
        body: JSON.stringify({ leader: name }),
        signal: AbortSignal.timeout(switchMs),
      });
      if (!answer.ok) throw new Error(`Patroni refuses a switchover: ${await answer.text()}`);
    },
    report,
    close,
  };
}

type Server = PatroniServer & { api: number };

interface Bed {
  folder: string;
  etcd: number;
  user: SystemUser | null;
}

/** A folder for one machine, in which all of its processes work. */
function newMachine({ folder, user }: Bed, name: string): string {
  const machine = join(folder, name);
  mkdirSync(machine);
  if (user) chownSync(machine, user.uid, user.gid);
  return machine;
}

function run({ folder, user }: Bed, name: string, program: string, args: string[]): void {
  const log = openSync(join(folder, `${name}.log`), "a");
  spawn(program, args, {
    ...(user && { uid: user.uid, gid: user.gid }),
    cwd: join(folder, name),
    env: { PATH: process.env.PATH, LANG: "C.UTF-8" },
    stdio: ["ignore", log, log],
  });
  closeSync(log);
}

const logOf = ({ folder }: Bed, name: string): string[] =>
  readFileSync(join(folder, `${name}.log`), "utf8")
    .trim()
    .split("\n")
    .filter((line) => !everySecond.test(line))
    .slice(-lastLines)
    .map((line) => `${name} | ${line}`);

async function startEtcd(bed: Bed): Promise<void> {
  const machine = newMachine(bed, "etcd");
  const client = `http://127.0.0.1:${bed.etcd}`;
  const peer = `http://127.0.0.1:${await freePort()}`;
  run(bed, "etcd", programs.etcd, [
    ...["--name", "drover", "--data-dir", join(machine, "data")],
    ...["--listen-client-urls", client, "--advertise-client-urls", client],
    ...["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer],
    ...["--initial-cluster", `drover=${peer}`, "--enable-v2"],
  ]);
}

async function newServer(name: string, bed: Bed): Promise<Server> {
  const [port, api] = [await freePort(), await freePort()];
  const machine = newMachine(bed, name);
  const sockets = join(machine, "sockets");
  mkdirSync(sockets);
  if (bed.user) chownSync(sockets, bed.user.uid, bed.user.gid);
  const data = join(machine, "data");
  const file = join(machine, "patroni.yml");
  writeFileSync(file, JSON.stringify(configOf({ name, port, api, data, sockets, etcd: bed.etcd })));
  const start = () => run(bed, name, programs.patroni, [file]);
  start();
  return {
    name,
    port,
    api,
    kill: () => signalIn(machine, "SIGKILL"),
    async freeze() {
      signalIn(data, "SIGSTOP");
      await pause(roundMs);
      signalIn(machine, "SIGSTOP");
    },
    thaw: () => signalIn(machine, "SIGCONT"),
    start,
  };
}

/** YAML is a superset of this. */
const configOf = (of: {
  name: string;
  port: number;
  api: number;
  data: string;
  sockets: string;
  etcd: number;
}) => ({
  scope: "drover",
  name: of.name,
  restapi: { listen: `127.0.0.1:${of.api}`, connect_address: `127.0.0.1:${of.api}` },
  // Not by the third version of its protocol: over that Patroni 3.0.2, which Debian 12 has, lets a leader that wakes after its
  // time write itself over the one that has taken its place.
  etcd: { host: `127.0.0.1:${of.etcd}` },
  bootstrap: {
    dcs: {
      ttl: 20,
      loop_wait: 1,
      retry_timeout: 3,
      synchronous_mode: true,
      postgresql: { use_pg_rewind: true },
    },
    initdb: [{ encoding: "UTF8" }, { locale: "C" }, "data-checksums"],
  },
  postgresql: {
    listen: `127.0.0.1:${of.port}`,
    connect_address: `127.0.0.1:${of.port}`,
    data_dir: of.data,
    bin_dir: binaries()?.folder,
    pgpass: `${of.data}.pgpass`,
    authentication: {
      superuser: { username: "postgres", password },
      replication: { username: "replicator", password },
    },
    parameters: { unix_socket_directories: of.sockets, max_connections: 100, wal_keep_size: "128MB" },
    pg_hba: [
      "local all all trust",
      "host all all 127.0.0.1/32 scram-sha-256",
      "host replication replicator 127.0.0.1/32 scram-sha-256",
    ],
  },
});

async function primaryOf(servers: Server[]): Promise<Server> {
  for (const server of servers) if (await leads(server)) return server;
  throw new Error("nobody leads");
}

async function leads({ port }: Server): Promise<boolean> {
  const client = new pg.Client({
    connectionString: `postgresql://postgres:${password}@127.0.0.1:${port}/postgres`,
    connectionTimeoutMillis: askMs,
    query_timeout: askMs,
  });
  client.on("error", () => {});
  try {
    await client.connect();
    const { rows } = await client.query("select not pg_is_in_recovery() as leads");
    return rows[0]?.leads === true;
  } catch {
    return false;
  } finally {
    client.end().catch(() => {});
  }
}

/** Whether one of them has every commit that is acknowledged, and so may take over, as Patroni sees it. */
async function anyFollows(servers: Server[]): Promise<boolean> {
  const asked = servers.map(({ api }) =>
    fetch(`http://127.0.0.1:${api}/sync`, { signal: AbortSignal.timeout(askMs) }).then(
      ({ status }) => status === 200,
      () => false,
    ),
  );
  return (await Promise.all(asked)).includes(true);
}

const stateOf = (api: number): Promise<string> =>
  fetch(`http://127.0.0.1:${api}/patroni`, { signal: AbortSignal.timeout(askMs) }).then(
    (answer) => answer.text(),
    (error) => String(error),
  );
