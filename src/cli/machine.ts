import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { restoringFolder } from "../backup/restoring.ts";
import { ownFileStore } from "../config/files.ts";
import { ownMasterKey } from "../config/master-key.ts";
import { ownRepositories } from "../config/repositories.ts";
import { apiKeyShape, type Config, ConfigError, type Machine, ownKeyPrefix, readConfig } from "../config.ts";
import { homeFolder } from "./home-folder.ts";
import { serverUrlFault } from "./server-url.ts";
import { writeOnce } from "./write-once.ts";

export const thisMachine = (): Machine => ({ uid: process.getuid?.() ?? -1, home: homeFolder() });

export const isRoot = () => process.getuid?.() === 0;

/** The first on the way up that other users may not pass. */
export function closedFolder(folder: string): string | null {
  if ((statSync(folder).mode & 0o001) === 0) return folder;
  return dirname(folder) === folder ? null : closedFolder(dirname(folder));
}

/** The settings, or the whole list of what is wrong with them and an end. */
export const configOrExit = (env: NodeJS.ProcessEnv = process.env): Config =>
  orExit(() => readConfig(env, thisMachine()));

/** The address of the server that DROVER_BASE_URL names, else of the one on this machine. */
export const serverUrlOrExit = (env: NodeJS.ProcessEnv = process.env): string =>
  orExit(() => {
    const { DROVER_BASE_URL: url } = env;
    if (!url) return `http://127.0.0.1:${readConfig(env, thisMachine()).port}`;
    const fault = serverUrlFault(url);
    if (fault !== null) throw new ConfigError([`DROVER_BASE_URL: ${fault}`]);
    return url;
  });

function orExit<Read>(read: () => Read): Read {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(2);
  }
}

/** Whether checkpoints lie where no other host finds them. */
export const hasOwnStorage = ({ storage, data_dir }: Pick<Config, "storage" | "data_dir">): boolean =>
  storage === join(data_dir, "storage");

/** Whether files lie in the data directory. */
export const hasOwnFiles = ({ files: { store }, data_dir }: Pick<Config, "files" | "data_dir">): boolean =>
  store.type === "folder" && store.path === join(data_dir, ownFileStore);

export const sayOwnStorage = (storage: string): string =>
  `workspaces are kept in ${storage}, where no other host finds them: set DROVER_STORAGE to a folder that all hosts share`;

/** What shows that a data directory that is not empty is Drover's. */
const ownEntries = [
  "lock",
  "api-key",
  ownMasterKey,
  "hands",
  "postgres",
  "worker",
  ownFileStore,
  ownRepositories,
];

/** Makes the two folders. Others may pass through root's, never look into it. */
export function prepareFolders(
  { data_dir, runtime_dir }: Pick<Config, "data_dir" | "runtime_dir">,
  { restoring } = { restoring: false },
): void {
  // Over what umask gives: PostgreSQL's user has to pass every folder that is made on the way.
  process.umask(isRoot() ? 0o022 : 0o077);
  for (const folder of [data_dir, runtime_dir]) {
    try {
      mkdirSync(folder, { recursive: true });
    } catch (error) {
      throw new Error(`the folder ${folder} cannot be made: ${(error as Error).message}`);
    }
    const found = lstatSync(folder);
    if (!found.isDirectory() || found.uid !== process.getuid?.()) {
      throw new Error(
        `${folder} exists and is not a folder of this user's; set DROVER_DATA_DIR to another one`,
      );
    }
  }
  // It is on every fresh file system.
  const held = readdirSync(data_dir).filter((entry) => entry !== "lost+found");
  if (held.includes(restoringFolder)) {
    if (!restoring)
      throw new Error(`a restore into ${data_dir} was cut short: run drover restore again, or empty it`);
  } else if (held.length > 0 && !held.some((entry) => ownEntries.includes(entry))) {
    throw new Error(`${data_dir} holds other things; set DROVER_DATA_DIR to a folder for Drover alone`);
  }
  for (const folder of [data_dir, runtime_dir]) chmodSync(folder, isRoot() ? 0o711 : 0o700);
}

/** The key to accept: the one that was set, else one made once and kept. */
export function apiKeyOf(config: Pick<Config, "api_key" | "data_dir">): string {
  if (config.api_key !== null) return config.api_key;
  const file = apiKeyFile(config.data_dir);
  if (!existsSync(file)) writeOnce(file, `${ownKeyPrefix}${randomBytes(24).toString("base64url")}\n`);
  const key = readFileSync(file, "utf8").trim();
  if (!apiKeyShape.test(key)) {
    throw new Error(`${file} holds no usable key: remove it, and a new one is made`);
  }
  return key;
}

export const apiKeyFile = (dataDir: string) => join(dataDir, "api-key");

export const handsSocketOf = (config: Pick<Config, "runtime_dir">) => join(config.runtime_dir, "hands.sock");

export const egressSocketOf = (config: Pick<Config, "runtime_dir">) =>
  join(config.runtime_dir, "egress.sock");

/** Where serve answers what egress asks of the credentials of sessions. */
export const vaultSocketOf = (config: Pick<Config, "runtime_dir">) => join(config.runtime_dir, "vault.sock");

export const sayNoEgress =
  "no drover egress answers, so that sandboxes of this machine reach no network; start it beside drover hands";

/** Whether somebody listens on that unix socket. */
export function answersLocally(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

/** The key that the server of this data directory has made, if this user may read it. */
export function readApiKey(dataDir: string): string | undefined {
  try {
    return readFileSync(apiKeyFile(dataDir), "utf8").trim();
  } catch {
    return undefined;
  }
}
