import { existsSync, statSync } from "node:fs";
import type { MasterKeySettings } from "../config/master-key.ts";
import type { Config } from "../config.ts";
import { otherKeys } from "../resources/sealed/rotate.ts";
import type { MasterKey } from "../vault/seal.ts";
import { type Finding, fail, ok, warn } from "./finding.ts";
import { askDatabase } from "./known-database.ts";
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
  const others = (await askDatabase(config, (db) => otherKeys(db, masterKey.versions))) ?? {
    older: 0,
    unknown: null,
  };
  if (others.unknown !== null)
    return [
      fail(name, `${others.unknown}: without it they are lost; put it back into ${place}, below the others`),
    ];
  const older = others.older === 0 ? "" : `; ${others.older} still under older ones: run drover keys rotate`;
  return [
    isOpen ? warn(name, `${text}, which others may read: chmod 600 it`) : ok(name, `${text}${older}`),
    ...keptInEnvironment(settings),
  ];
}

/** Every process of the same user can read it there, and what shows or keeps environments does. */
export function keptInEnvironment({ from }: Pick<MasterKeySettings, "from">): Finding[] {
  if (from === "file") return [];
  return [
    warn(
      name,
      "the master key is in the environment of serve: put it into a file that only root or serve's user may read, and name that in DROVER_MASTER_KEY_FILE",
    ),
  ];
}
