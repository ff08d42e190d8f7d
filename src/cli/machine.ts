import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, lstatSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { homedir } from "node:os";
import { join } from "node:path";
import { type Config, ConfigError, type Machine, ownKeyPrefix, readConfig } from "../config.ts";

export const thisMachine = (): Machine => ({ uid: process.getuid?.() ?? -1, home: homedir() });

export const isRoot = () => process.getuid?.() === 0;

/** The settings, or the whole list of what is wrong with them and an end. */
export function configOrExit(env: NodeJS.ProcessEnv = process.env): Config {
  try {
    return readConfig(env, thisMachine());
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(2);
  }
}

/** Makes the two folders. Others may pass through root's, never look into it. */
export function prepareFolders(config: Pick<Config, "data_dir" | "runtime_dir">): void {
  const mode = isRoot() ? 0o711 : 0o700;
  for (const folder of [config.data_dir, config.runtime_dir]) {
    try {
      // With the mode for each parent made on the way too, or PostgreSQL's user could not pass.
      mkdirSync(folder, { recursive: true, mode: isRoot() ? 0o755 : 0o700 });
    } catch (error) {
      throw new Error(`the folder ${folder} cannot be made: ${(error as Error).message}`);
    }
    const found = lstatSync(folder);
    if (!found.isDirectory() || found.uid !== process.getuid?.()) {
      throw new Error(
        `${folder} exists and is not a folder of this user's; set DROVER_DATA_DIR to another one`,
      );
    }
    chmodSync(folder, mode);
  }
}

/** The key to accept: the one that was set, else one made once and kept. */
export function apiKeyOf(config: Pick<Config, "api_key" | "data_dir">): string {
  if (config.api_key !== null) return config.api_key;
  const file = apiKeyFile(config.data_dir);
  if (!existsSync(file)) {
    const key = `${ownKeyPrefix}${randomBytes(24).toString("base64url")}`;
    writeFileSync(file, `${key}\n`, { mode: 0o600, flag: "wx" });
  }
  return readFileSync(file, "utf8").trim();
}

export const apiKeyFile = (dataDir: string) => join(dataDir, "api-key");

export const handsSocketOf = (config: Pick<Config, "runtime_dir">) => join(config.runtime_dir, "hands.sock");

/**
 * Makes this process the only `drover up` of its data directory. The lock is a listening socket, which ends with the
 * process however that ends.
 */
export async function lockDataDir(config: Config): Promise<Server> {
  const path = join(config.runtime_dir, "up.sock");
  const server = createServer((socket) => socket.end(String(process.pid)));
  for (let attempt = 0; attempt < 2; attempt += 1) {
    if (await listens(server, path)) {
      chmodSync(path, 0o600);
      return server;
    }
    const pid = await holderOf(path);
    if (pid !== null) {
      throw new Error(`another drover up (pid ${pid}) already runs on ${config.data_dir}`);
    }
    rmSync(path, { force: true });
  }
  throw new Error(`another drover up has just started on ${config.data_dir}`);
}

function listens(server: Server, path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    server.once("listening", () => resolve(true));
    server.once("error", (error: NodeJS.ErrnoException) =>
      error.code === "EADDRINUSE" ? resolve(false) : reject(error),
    );
    server.listen(path);
  });
}

function holderOf(path: string): Promise<string | null> {
  return new Promise((resolve) => {
    let said = "";
    const socket = connect(path);
    socket.on("data", (chunk) => {
      said += chunk;
    });
    socket.on("end", () => resolve(said));
    socket.on("error", () => resolve(null));
  });
}

/** The key that a server on this machine has made, if this user may read it. */
export function readApiKey(): string | undefined {
  try {
    return readFileSync(apiKeyFile(readConfig(process.env, thisMachine()).data_dir), "utf8").trim();
  } catch {
    return undefined;
  }
}
