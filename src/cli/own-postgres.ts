import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "../config.ts";
import { runningServer } from "../db/embedded/process.ts";
import { adminUrlOf, clientUrlOf, startPostgres } from "../db/embedded/server.ts";
import { systemUser } from "../db/embedded/user.ts";
import { lockDataDir } from "./lock.ts";
import { isRoot } from "./machine.ts";

export interface OwnPostgres {
  /** For the role and the database `drover`. */
  url: string;
  /** For the superuser, in the same database. */
  admin_url: string;
  /** Ends it, if it was started for this alone. */
  stop(): Promise<void>;
}

/** The embedded server of this machine: the running one, or one that is started for a command alone. */
export async function openOwnPostgres(
  config: Pick<Config, "data_dir" | "runtime_dir">,
): Promise<OwnPostgres> {
  const postgres = join(config.data_dir, "postgres");
  if (!existsSync(postgres)) throw new Error(`${config.data_dir} holds no embedded database`);
  const running = runningServer(postgres);
  if (running) {
    const { socket_dir } = running;
    return { url: clientUrlOf(socket_dir), admin_url: adminUrlOf(socket_dir), stop: async () => {} };
  }
  const lock = await lockDataDir(config.data_dir, { onWait() {} });
  const server = await startPostgres({
    data_dir: config.data_dir,
    socket_dir: join(config.runtime_dir, "pg"),
    user: isRoot() ? systemUser("drover-postgres") : null,
    clients: isRoot() ? [systemUser("drover")] : [],
  });
  return {
    url: server.url,
    admin_url: server.admin_url,
    async stop() {
      await server.stop();
      lock.release();
    },
  };
}
