import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { type Logger, pino } from "pino";
import type { Config } from "../config.ts";
import { chosenDriver } from "../hands/drivers/chosen.ts";
import { startHands } from "../hands/host.ts";
import { readIdentity } from "../hands/identity.ts";
import type { NetworkListener } from "../hands/listen.ts";
import type { Checkpoint } from "../hands/wire.ts";
import { lifetime } from "./child.ts";
import { explain } from "./explain.ts";
import { hostAndPort } from "./host-and-port.ts";
import { lockDataDir } from "./lock.ts";
import {
  answersLocally,
  configOrExit,
  egressSocketOf,
  handsSocketOf,
  hasOwnStorage,
  prepareFolders,
  sayNoEgress,
  sayOwnStorage,
} from "./machine.ts";
import { type UserIds, userIds } from "./user-ids.ts";
import { version } from "./version.ts";

interface HandsOptions {
  socket?: string;
  listen?: { host: string; port: number };
  egress?: string;
  client?: UserIds;
  supervised?: boolean;
}

export function handsCommand(): Command {
  return new Command("hands")
    .description("Run sandboxes on this machine; holds no key and no database")
    .option("--socket <path>", "where to listen (default: the socket of this data directory)")
    .option(
      "--listen <host:port>",
      "where to listen for servers on other machines, over mutual TLS",
      hostAndPort,
    )
    .option(
      "--egress <path>",
      "where drover egress takes the connections of sandboxes (default: the socket of this data directory)",
    )
    .option("--client <uid:gid>", "the user who may connect, besides root", userIds)
    .option("--supervised", "run as a child of drover up")
    .action(hands);
}

async function hands(options: HandsOptions): Promise<void> {
  const life = lifetime("drover hands", options.supervised ?? false);
  const config = configOrExit();
  const logger = pino({ level: config.log_level }, pino.destination({ dest: 2, sync: true }));
  try {
    prepareFolders(config);
    const folder = join(config.data_dir, "hands");
    mkdirSync(folder, { recursive: true, mode: 0o711 });
    chmodSync(folder, 0o711);
    const network = options.listen ? networkListener(options.listen, config, logger) : undefined;
    // A driver takes what it finds running there for its predecessor's, and ends it.
    const lock = await lockDataDir(folder, {
      program: "drover hands",
      onWait: () => logger.info("waiting for the processes of an earlier drover hands to end"),
    });
    const driver = chosenDriver(config.driver, folder, config.sandboxes.mirrors);
    const socket_path = options.socket ?? handsSocketOf(config);
    const egress_socket = options.egress ?? egressSocketOf(config);
    const checkpoints = {
      storage: config.storage,
      onKept: (checkpoint: Checkpoint) => logger.debug({ checkpoint }, "workspace kept"),
      onTrouble: (error: Error) =>
        logger.warn({ err: error, storage: config.storage }, "workspaces cannot be kept; trying again"),
      onRecovered: () => logger.info({ storage: config.storage }, "workspaces are kept again"),
    };
    const host = await startHands({
      socket_path,
      data_dir: folder,
      driver,
      egress_socket,
      owner: options.client,
      network,
      sandboxes_max: config.hands.sandboxes_max ?? undefined,
      checkpoints,
      version,
      onOutputsTrouble: (error) =>
        logger.warn({ err: error }, "the outputs of sandboxes cannot be looked at; trying again"),
    });
    const problem = await driver.check();
    if (options.listen && hasOwnStorage(config)) logger.warn(sayOwnStorage(config.storage));
    if (problem !== null) logger.warn({ driver: driver.name }, `no sandbox can be started: ${problem}`);
    if (!(await answersLocally(egress_socket))) logger.warn({ egress_socket }, sayNoEgress);
    life.reportReady({});
    if (!options.supervised) {
      const { host_id, port } = host;
      logger.info({ socket_path, host_id, port: port ?? undefined, driver: driver.name }, "ready");
    }
    await life.stopped;
    await host.close();
    lock.release();
  } catch (error) {
    life.fail(explain(error));
  }
  process.exit(0);
}

function networkListener(
  listen: { host: string; port: number },
  { hands: { tls } }: Config,
  logger: Logger,
): NetworkListener {
  if (tls === null) {
    throw new Error(
      "--listen needs DROVER_HANDS_CA, DROVER_HANDS_CERT and DROVER_HANDS_KEY; `drover certs` makes the files",
    );
  }
  return {
    ...listen,
    identity: readIdentity(tls, "hands"),
    onRefused: (who, why) => logger.warn({ who, why }, "a connection was refused"),
  };
}
