import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { pino } from "pino";
import { bubblewrap } from "../hands/drivers/bubblewrap.ts";
import { startHands } from "../hands/host.ts";
import type { Checkpoint } from "../hands/wire.ts";
import { lifetime } from "./child.ts";
import { explain } from "./explain.ts";
import { configOrExit, handsSocketOf, prepareFolders } from "./machine.ts";
import { type UserIds, userIds } from "./user-ids.ts";

interface HandsOptions {
  socket?: string;
  client?: UserIds;
  supervised?: boolean;
}

export function handsCommand(): Command {
  return new Command("hands")
    .description("Run sandboxes on this machine; holds no key and no database")
    .option("--socket <path>", "where to listen (default: the socket of this data directory)")
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
    const driver = bubblewrap({ data_dir: folder });
    const socket_path = options.socket ?? handsSocketOf(config);
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
      owner: options.client,
      checkpoints,
    });
    const problem = await driver.check();
    if (problem !== null) logger.warn({ driver: driver.name }, `no sandbox can be started: ${problem}`);
    life.reportReady({});
    if (!options.supervised) logger.info({ socket_path, driver: driver.name }, "ready");
    await life.stopped;
    await host.close();
  } catch (error) {
    life.fail(explain(error));
  }
  process.exit(0);
}
