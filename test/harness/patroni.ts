import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
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

/** A server of the cluster, as a machine of its own: its PostgreSQL and the Patroni that watches over it. */
export interface PatroniServer {
  name: string;
  port: number;
  /** Both, without a word. */
  kill(): void;
  /** Both stand still, their connections stay. */
  freeze(): void;
  thaw(): void;
  /** After `kill`. */
  start(): void;
}

export interface PatroniCluster {
  /** Names all servers. */
  url: string;
  /** The one that takes writes, once another one follows it and no commit is acknowledged before that one has it. */
  leader(): Promise<PatroniServer>;
  /** Moves the leadership as an operator would. */
  switchOver(): Promise<void>;
  close(): Promise<void>;
}

const programs = { patroni: "/usr/bin/patroni", etcd: "/usr/bin/etcd" };
const pollMs = 200;
const askMs = 1_000;
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
  const running = new Set<ChildProcess>();
  const log = openSync(join(folder, "log"), "a");
  const run = (program: string, args: string[]) => {
    const child = spawn(program, args, {
      ...(user && { uid: user.uid, gid: user.gid }),
      cwd: folder,
      env: { PATH: process.env.PATH, LANG: "C.UTF-8" },
      stdio: ["ignore", log, log],
    });
    running.add(child);
    child.on("exit", () => running.delete(child));
    return child;
  };

  const [client, peer] = [await freePort(), await freePort()];
  run(programs.etcd, [
    ...["--name", "drover", "--data-dir", join(folder, "etcd")],
    ...[
      "--listen-client-urls",
      `http://127.0.0.1:${client}`,
      "--advertise-client-urls",
      `http://127.0.0.1:${client}`,
    ],
    ...["--listen-peer-urls", `http://127.0.0.1:${peer}`],
    ...["--initial-advertise-peer-urls", `http://127.0.0.1:${peer}`],
    ...["--initial-cluster", `drover=http://127.0.0.1:${peer}`],
  ]);
  const servers: Server[] = [];
  for (const name of ["one", "two"]) {
    servers.push(await newServer(name, { folder, etcd: client, user, run }));
    // The first to come makes the database.
    if (name === "one") await leaderOf(servers, false);
  }

  const url = `postgresql://postgres:${password}@${servers.map(({ port }) => `127.0.0.1:${port}`).join(",")}/postgres`;
  return {
    url,
    leader: () => leaderOf(servers, true),
    async switchOver() {
      const { name, api } = await leaderOf(servers, true);
      const answer = await fetch(`http://127.0.0.1:${api}/switchover`, {
        method: "POST",
        body: JSON.stringify({ leader: name }),
      });
      if (!answer.ok) throw new Error(`Patroni refuses a switchover: ${await answer.text()}`);
    },
    async close() {
      for (const server of servers) server.kill();
      for (const child of running) {
        child.kill("SIGKILL");
        await once(child, "exit");
      }
      closeSync(log);
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

type Server = PatroniServer & { api: number };

interface Bed {
  folder: string;
  etcd: number;
  user: SystemUser | null;
  run(program: string, args: string[]): ChildProcess;
}

async function newServer(name: string, bed: Bed): Promise<Server> {
  const [port, api] = [await freePort(), await freePort()];
  const data = join(bed.folder, name);
  const sockets = join(bed.folder, `${name}-sockets`);
  mkdirSync(sockets);
  if (bed.user) chownSync(sockets, bed.user.uid, bed.user.gid);
  const file = join(bed.folder, `${name}.yml`);
  writeFileSync(file, JSON.stringify(configOf({ name, port, api, data, sockets, etcd: bed.etcd })));
  let patroni = bed.run(programs.patroni, [file]);

  function signal(signal: NodeJS.Signals): void {
    const pids = [...postgresPids(data), patroni.pid ?? 0];
    // First who would start the others again.
    for (const pid of pids.toReversed()) {
      try {
        process.kill(pid, signal);
      } catch {
        // It has ended by itself.
      }
    }
  }

  return {
    name,
    port,
    api,
    kill: () => signal("SIGKILL"),
    freeze: () => signal("SIGSTOP"),
    thaw: () => signal("SIGCONT"),
    start() {
      patroni = bed.run(programs.patroni, [file]);
    },
  };
}

/** The postmaster of a data directory and its processes. */
function postgresPids(data: string): number[] {
  const file = join(data, "postmaster.pid");
  if (!existsSync(file)) return [];
  const postmaster = Number(readFileSync(file, "utf8").split("\n")[0]);
  const children = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => parentOf(pid) === postmaster);
  return [postmaster, ...children];
}

function parentOf(pid: number): number {
  try {
    return Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
  } catch {
    return 0;
  }
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
  etcd3: { host: `127.0.0.1:${of.etcd}` },
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

async function leaderOf(servers: Server[], followed: boolean): Promise<Server> {
  for (;;) {
    for (const server of servers)
      if ((await leads(server)) && (!followed || (await anyFollows(servers)))) return server;
    await pause(pollMs);
  }
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
