import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "../config.ts";
import { openDatabase } from "../db/database.ts";
import { runningServer } from "../db/embedded/process.ts";
import { clientUrlOf } from "../db/embedded/server.ts";
import { otherKeys } from "../resources/sealed/rotate.ts";
import type { MasterKey } from "../vault/seal.ts";
import { type Finding, fail, ok, warn } from "./finding.ts";
import { masterKeyPlace, readMasterKey } from "./master-key.ts";

const name = "secrets";

/** Nothing is said of a key that the server makes itself. What is sealed is looked at where the database can be reached. */
export async function examineSecrets(config: Config): Promise<Finding[]> {
  const { master_key: settings } = config;
  const isFile = settings.from === "file";
  if (isFile && settings.own && !existsSync(settings.path)) return [];
  let masterKey: MasterKey;
  try {
    masterKey = readMasterKey(settings);
  } catch (error) {
    const hidden = isFile && settings.own && (error as Error).message.includes("EACCES");
    return hidden ? [] : [fail(name, (error as Error).message)];
  }
  const place = masterKeyPlace(settings);
  const text = `sealed under the master key ${masterKey.version} of ${place}`;
  const isOpen = isFile && (statSync(settings.path).mode & 0o077) !== 0;
  const others = await lookAtDatabase(config, masterKey);
  if (others.unknown !== null)
    return [
      fail(name, `${others.unknown}: without it they are lost; put it back into ${place}, below the others`),
    ];
  const older = others.older === 0 ? "" : `; ${others.older} still under older ones: run drover keys rotate`;
  return [isOpen ? warn(name, `${text}, which others may read: chmod 600 it`) : ok(name, `${text}${older}`)];
}

/** Nothing is known where it cannot be reached, or holds nothing of Drover. */
async function lookAtDatabase(config: Config, masterKey: MasterKey) {
  const url = config.database_url ?? ownUrl(config);
  if (url === null) return { older: 0, unknown: null };
  const db = openDatabase({ url, connections: 1 });
  try {
    return await otherKeys(db, masterKey.versions);
  } catch {
    return { older: 0, unknown: null };
  } finally {
    await db.close();
  }
}

/** Of the embedded server, if it runs. */
function ownUrl({ data_dir }: Config): string | null {
  const running = runningServer(join(data_dir, "postgres"));
  return running && clientUrlOf(running.socket_dir);
}
