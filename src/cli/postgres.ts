import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { type PostgresOptions, startPostgres } from "../db/embedded/server.ts";
import { explain } from "./explain.ts";

const restartPauseMs = 1_000;

export interface KeptPostgres {
  url: string;
  stop(): Promise<void>;
}

/** The embedded PostgreSQL, started again whenever it dies. `signal` ends that, `stop` the server. */
export async function keepPostgres(
  options: PostgresOptions & { signal: AbortSignal },
  say: (text: string) => void,
): Promise<KeptPostgres> {
  const { signal } = options;
  if (!existsSync(join(options.data_dir, "postgres"))) say("making a PostgreSQL data directory");
  let server = await startPostgres(options);
  say(`PostgreSQL ${server.version} ${server.adopted ? "was still running" : "is running"}`);

  async function keepAlive(): Promise<void> {
    for (;;) {
      await server.exited;
      if (signal.aborted) return;
      say("PostgreSQL ended; starting it again");
      while (!signal.aborted) {
        try {
          server = await startPostgres(options);
          say("PostgreSQL is back");
          break;
        } catch (error) {
          if (signal.aborted) return;
          say(`${explain(error)}; trying again`);
          await pause(restartPauseMs, undefined, { signal }).catch(() => {});
        }
      }
      if (signal.aborted) return server.stop();
    }
  }
  const keeping = keepAlive();
  return {
    url: server.url,
    async stop() {
      await server.stop();
      await keeping;
    },
  };
}
