import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { type DatabasePool, openDatabase } from "../../src/db/database.ts";
import { runningServer } from "../../src/db/embedded/process.ts";
import { type Postgres, startPostgres } from "../../src/db/embedded/server.ts";
import { systemUser } from "../../src/db/embedded/user.ts";
import { migrate, readMigrations } from "../../src/db/migrate.ts";
import type { Ending } from "./plan.ts";

const retryPause_ms = 100;

/** A PostgreSQL that can be made to end in several ways, with the database of a Drover in it. */
export async function startDatabase(folder: string) {
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
      await pause(retryPause_ms);
    }
  }
}
