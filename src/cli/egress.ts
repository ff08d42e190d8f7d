import { Command } from "commander";
import { type Logger, pino } from "pino";
import type { Config } from "../config.ts";
import { type EgressOptions, loadCertificates, startEgress } from "../egress/egress.ts";
import { readIdentity } from "../hands/identity.ts";
import { dropPrivileges, lifetime } from "./child.ts";
import { explain } from "./explain.ts";
import { hostAndPort } from "./host-and-port.ts";
import { configOrExit, egressSocketOf, isRoot, prepareFolders, vaultSocketOf } from "./machine.ts";
import { type UserIds, userIds } from "./user-ids.ts";

interface Options {
  socket?: string;
  vaultSocket?: string;
  listen?: { host: string; port: number };
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
    .option(
      "--listen <host:port>",
      "where to take connections of sessions with credentials from the egress of other machines, over mutual TLS",
      hostAndPort,
    )
    .option("--client <uid:gid>", "the user who may connect, besides root", userIds)
    .option("--run-as <uid:gid>", "give up root for this user once the socket is there", userIds)
    .option("--supervised", "run as a child of drover up")
    .action(egress);
}

/** What it loads when it is first needed. */
export const loadLate = (): Promise<unknown> => loadCertificates();

async function egress(options: Options): Promise<void> {
  const life = lifetime("drover egress", options.supervised ?? false);
  const config = configOrExit();
  const logger = pino({ level: config.log_level }, pino.destination({ dest: 2, sync: true }));
  const onTrouble = (error: unknown) =>
    logger.error({ err: error }, "a connection was not carried to its end");
  try {
    if (!options.supervised) prepareFolders(config);
    const socket_path = options.socket ?? egressSocketOf(config);
    const link = linkOf(config, options.listen, logger);
    const started = await startEgress({
      socket_path,
      owner: options.client,
      vault_socket: options.vaultSocket ?? vaultSocketOf(config),
      allow_private_hosts: config.allow_private_hosts,
      package_hosts: config.sandboxes.package_hosts,
      proxy: config.egress_proxy,
      ...link,
      // Without either this may be a machine that only has sandboxes.
      vault_is_awaited: options.vaultSocket !== undefined || link.listen !== undefined,
      onTrouble,
    });
    if (options.runAs) await dropPrivileges(options.runAs, loadLate);
    else if (isRoot()) logger.warn("egress runs as root; pass --run-as uid:gid, or start it with drover up");
    // It holds nothing that could be left half done. Whoever finds out how one connection throws must not end all others.
    process.on("uncaughtException", onTrouble);
    life.reportReady({});
    if (!options.supervised) logger.info({ socket_path, port: started.port ?? undefined }, "ready");
    await life.stopped;
    await started.close();
  } catch (error) {
    life.fail(explain(error));
  }
  process.exit(0);
}

/** What it shows other machines is read before it gives up root. */
function linkOf(
  { egress_link }: Config,
  option: { host: string; port: number } | undefined,
  logger: Logger,
): Pick<EgressOptions, "listen" | "upstream"> {
  const { upstream, tls } = egress_link;
  const listen = option ?? egress_link.listen;
  if (listen && upstream.length > 0)
    throw new Error(
      "--listen is for an egress beside a server, and DROVER_EGRESS_UPSTREAM for any other one",
    );
  if (upstream.length > 0 && tls)
    return { upstream: { upstream, identity: readIdentity(tls, "host egress") } };
  if (!listen) return {};
  if (tls === null)
    throw new Error(
      "--listen needs DROVER_EGRESS_CA, DROVER_EGRESS_CERT and DROVER_EGRESS_KEY; `drover certs --egress` makes the files",
    );
  const onRefused = (who: string, why: string) => logger.warn({ who, why }, "a connection was refused");
  return { listen: { ...listen, identity: readIdentity(tls, "egress"), onRefused } };
}
