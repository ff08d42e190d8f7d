import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { readConfig } from "../../src/config.ts";
import { type DatabasePool, openDatabase } from "../../src/db/database.ts";
import { runningServer } from "../../src/db/embedded/process.ts";
import { type Postgres, startPostgres } from "../../src/db/embedded/server.ts";
import { systemUser } from "../../src/db/embedded/user.ts";
import { migrate, readMigrations } from "../../src/db/migrate.ts";
import { freePort } from "../harness/free-port.ts";
import { testKey } from "../harness/headers.ts";
import { startPart } from "../harness/part.ts";
import { type Link, startLink } from "./link.ts";
import type { Ending, Targets } from "./plan.ts";

/** A `serve`, by name, with what `--roles` says. */
export interface ServeSpec {
  name: string;
  roles: string;
}

/** A Drover of many processes, in which everything has a name and every two parts talk over a link. */
export interface Parts {
  targets: Targets;
  links: ReadonlyMap<string, Link>;
  /** Where clients reach the API: over links. */
  urls: string[];
  kill(name: string): Promise<void>;
  /** Until it is ready: what it needs may not be there. */
  start(name: string): Promise<void>;
  freeze(name: string): void;
  thaw(name: string): void;
  restartPostgres(ending: Ending, down_ms: number): Promise<void>;
  /** The database's clock, for everybody at once, away from the true time. */
  moveClock(by_ms: number): Promise<void>;
  /** What the commands of a session have written into a file of their workspace. */
  written(sessionId: string, file: string): string;
  /** Processes that ended without having been told to. */
  ended: string[];
  /** The newest lines of a part's log. */
  log(name: string): string[];
  close(): Promise<void>;
}

interface Part {
  args: string[];
  env: Record<string, string>;
  child: ChildProcess | null;
  log: string[];
}

const logLinesMax = 400;
const startPause_ms = 100;

export async function startParts(serves: readonly ServeSpec[]): Promise<Parts> {
  const folder = mkdtempSync(join(tmpdir(), "drover-chaos-"));
  chmodSync(folder, 0o711);
  const { postgres, ...database } = await startDatabase(folder);
  const links = new Map<string, Link>();
  const parts = new Map<string, Part>();
  const ended: string[] = [];
  const urls: string[] = [];
  const hands = "hands-1";
  const { PATH, HOME } = process.env;
  const data = join(folder, "data");
  const env = { PATH, HOME, DROVER_API_KEY: testKey, DROVER_DATA_DIR: data };
  const { runtime_dir } = readConfig(env, { uid: process.getuid?.() ?? -1, home: HOME ?? "/" });
  const handsSocket = join(folder, "hands.sock");

  const add = (name: string, args: string[], more: Record<string, string> = {}) =>
    parts.set(name, { args, env: more, child: null, log: [] });
  const link = async (name: string, ...ends: Parameters<typeof startLink>) => {
    const made = await startLink(...ends);
    links.set(name, made);
    return made.address;
  };

  add(hands, ["hands", "--socket", handsSocket]);
  for (const { name, roles } of serves) {
    const toDatabase = await link(`${name}~postgres`, { path: database.socket });
    const toHands = await link(`${name}~${hands}`, { path: handsSocket }, join(folder, `${name}.sock`));
    if (!("port" in toDatabase && "path" in toHands)) throw new Error("a link is not where it should be");
    const port = await freePort();
    add(name, ["serve", "--roles", roles, "--hands", toHands.path], {
      DATABASE_URL: `postgresql://postgres@127.0.0.1:${toDatabase.port}/drover?sslmode=disable`,
      DROVER_PORT: String(port),
    });
    if (!roles.split(",").includes("api")) continue;
    const toClients = await link(`client~${name}`, { port });
    if ("port" in toClients) urls.push(`http://127.0.0.1:${toClients.port}`);
  }

  const partOf = (name: string): Part => {
    const part = parts.get(name);
    if (!part) throw new Error(`there is no part ${name}`);
    return part;
  };

  async function start(name: string): Promise<void> {
    const part = partOf(name);
    for (;;) {
      try {
        const child = await startPart(
          part.args,
          { ...env, ...part.env },
          { heard: (line) => heard(part, line) },
        );
        part.child = child;
        child.once("exit", (code, signal) => {
          if (part.child === child) ended.push(`${name} ended by itself: ${signal ?? code}`);
        });
        return;
      } catch (error) {
        heard(part, String(error));
        await pause(startPause_ms);
      }
    }
  }

  async function kill(name: string): Promise<void> {
    const part = partOf(name);
    const { child } = part;
    part.child = null;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  }

  /** Nothing may outlive this process, however that ends. */
  const abandon = () => {
    for (const { child } of parts.values()) child?.kill("SIGKILL");
    postgres.abandon();
  };
  process.once("exit", abandon);
  await Promise.all([...parts.keys()].map(start));

  return {
    targets: {
      serves: serves.map(({ name }) => name),
      hands: [hands],
      links: [...links.keys()],
    },
    links,
    urls,
    kill,
    start,
    freeze: (name) => void partOf(name).child?.kill("SIGSTOP"),
    thaw: (name) => void partOf(name).child?.kill("SIGCONT"),
    restartPostgres: postgres.restart,
    moveClock: database.moveClock,
    written: (sessionId, file) => writtenIn(join(data, "hands", "sandboxes"), sessionId, file),
    ended,
    log: (name) => partOf(name).log,
    async close() {
      process.off("exit", abandon);
      await Promise.all([...parts.keys()].map(kill));
      await Promise.all([...links.values()].map((each) => each.close()));
      await database.close();
      await postgres.stop();
      for (const path of [folder, runtime_dir]) rmSync(path, { recursive: true, force: true });
    },
  };
}

function heard(part: Part, line: string): void {
  part.log.push(line);
  if (part.log.length > logLinesMax) part.log.shift();
}

/** From every workspace that the session has had. */
function writtenIn(sandboxes: string, sessionId: string, file: string): string {
  if (!existsSync(sandboxes)) return "";
  const own = sessionId.replace(/^sesn_/, "sbx_");
  const paths = readdirSync(sandboxes)
    .filter((name) => name === own || name.startsWith(`${own}-`))
    .map((name) => join(sandboxes, name, "workspace", file));
  return paths.flatMap((path) => (existsSync(path) ? [readFileSync(path, "utf8")] : [])).join("");
}

async function startDatabase(folder: string) {
  const data_dir = join(folder, "database");
  mkdirSync(data_dir, { mode: 0o711 });
  const socket_dir = join(data_dir, "socket");
  // What is killed here are processes, never the machine: nothing that was written is lost without a sync.
  const start = () =>
    startPostgres({
      data_dir,
      socket_dir,
      user: process.getuid?.() === 0 ? systemUser("drover-postgres") : null,
      clients: [],
      settings: { fsync: "off", max_connections: "200" },
    });
  let server: Postgres = await start();
  const url = server.admin_url.replace("/postgres?", "/drover?");
  const db = openDatabase({ url, connections: 2 });
  await migrate(db, readMigrations());

  const signals = { fast: "SIGINT", immediate: "SIGQUIT", killed: "SIGKILL" } as const;

  function end(ending: Ending): void {
    const running = runningServer(join(data_dir, "postgres"));
    if (running) process.kill(running.pid, signals[ending]);
  }

  async function restart(ending: Ending, down_ms: number): Promise<void> {
    end(ending);
    await server.exited;
    await pause(down_ms);
    server = await start();
  }

  return {
    socket: join(socket_dir, ".s.PGSQL.5432"),
    postgres: { restart, stop: () => server.stop(), abandon: () => end("immediate") },
    moveClock: (by_ms: number) => moveClock(db, by_ms),
    close: () => db.close(),
  };
}

/** The clock of everything is one function of the database. */
async function moveClock(db: DatabasePool, by_ms: number): Promise<void> {
  const text = `create or replace function drover_now() returns timestamptz language sql stable as
    $$ select clock_timestamp() + interval '${Math.trunc(by_ms)} milliseconds' $$`;
  for (;;) {
    try {
      await db.query({ name: `clock ${by_ms}`, text }, []);
      return;
    } catch {
      await pause(startPause_ms);
    }
  }
}
