import { join } from "node:path";
import type { Config } from "../config.ts";
import { type Database, openDatabase } from "../db/database.ts";
import { runningServer } from "../db/embedded/process.ts";
import { clientUrlOf } from "../db/embedded/server.ts";

/** What is asked of the installation's database; null where it cannot be reached, or holds nothing of Drover. */
export async function askDatabase<Answer>(
  config: Pick<Config, "database_url" | "data_dir">,
  ask: (db: Database) => Promise<Answer>,
): Promise<Answer | null> {
  const url = config.database_url ?? ownUrl(config);
  if (url === null) return null;
  const db = openDatabase({ url, connections: 1 });
  try {
    return await ask(db);
  } catch {
    return null;
  } finally {
    await db.close();
  }
}

/** Of the embedded server, if it runs. */
function ownUrl({ data_dir }: Pick<Config, "data_dir">): string | null {
  const running = runningServer(join(data_dir, "postgres"));
  return running && clientUrlOf(running.socket_dir);
}
