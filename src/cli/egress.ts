import { Command } from "commander";
import { pino } from "pino";
import { startEgress } from "../egress/egress.ts";
import { dropPrivileges, lifetime } from "./child.ts";
import { explain } from "./explain.ts";
import { configOrExit, egressSocketOf, isRoot, prepareFolders, vaultSocketOf } from "./machine.ts";
import { type UserIds, userIds } from "./user-ids.ts";

interface EgressOptions {
  socket?: string;
  vaultSocket?: string;
  client?: UserIds;
  runAs?: UserIds;
  supervised?: boolean;
}

export function egressCommand(): Command {
  return new Command("egress")
    .description(
      "Carry what programs in sandboxes say to the internet; has no database, and secrets of sessions only while they use them",
    )
    .option(
      "--socket <path>",
      "where hands hands over connections (default: the socket of this data directory)",
    )
    .option(
      "--vault-socket <path>",
      "where serve tells of the credentials of sessions (default: the socket of this data directory)",
    )
    .option("--client <uid:gid>", "the user who may connect, besides root", userIds)
    .option("--run-as <uid:gid>", "give up root for this user once the socket is there", userIds)
    .option("--supervised", "run as a child of drover up")
    .action(egress);
}

async function egress(options: EgressOptions): Promise<void> {
  const life = lifetime("drover egress", options.supervised ?? false);
  const config = configOrExit();
  const logger = pino({ level: config.log_level }, pino.destination({ dest: 2, sync: true }));
  const onTrouble = (error: unknown) =>
    logger.error({ err: error }, "a connection was not carried to its end");
  try {
    if (!options.supervised) prepareFolders(config);
    const socket_path = options.socket ?? egressSocketOf(config);
    const started = await startEgress({
      socket_path,
      owner: options.client,
      vault_socket: options.vaultSocket ?? vaultSocketOf(config),
      allow_private_hosts: config.allow_private_hosts,
      package_hosts: config.sandboxes.package_hosts,
      proxy: config.egress_proxy,
      onTrouble,
    });
    if (options.runAs) dropPrivileges(options.runAs);
    else if (isRoot()) logger.warn("egress runs as root; pass --run-as uid:gid, or start it with drover up");
    // It holds nothing that could be left half done. Whoever finds out how one connection throws must not end all others.
    process.on("uncaughtException", onTrouble);
    life.reportReady({});
    if (!options.supervised) logger.info({ socket_path }, "ready");
    await life.stopped;
    await started.close();
  } catch (error) {
    life.fail(explain(error));
  }
  process.exit(0);
}
