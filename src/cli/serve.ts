import { Command, InvalidArgumentError, Option } from "commander";
import { type Logger, pino } from "pino";
import { type Config, shownSettings } from "../config.ts";
import { readMigrations } from "../db/migrate.ts";
import { readIdentity } from "../hands/identity.ts";
import { modelListing } from "../models/listing.ts";
import { listPrices } from "../models/price-table.ts";
import { pricesOf, readPriceTable } from "../models/prices.ts";
import { createModels } from "../models/registry.ts";
import { loadUndici } from "../net/guard.ts";
import { SocketTaken } from "../net/local-socket.ts";
import { loadAuthority } from "../resources/session-pass/pass.ts";
import { type Role, roles, startServer } from "../server.ts";
import { loadLibrary } from "../tools/mcp/connections.ts";
import { createSeal } from "../vault/seal.ts";
import { listenForEgress, type VaultListener } from "../vault/socket.ts";
import { dropPrivileges, lifetime } from "./child.ts";
import { consoleOf } from "./console-build.ts";
import { explain } from "./explain.ts";
import { prepareFileStore, prepareFolder, requireUsable } from "./file-store.ts";
import { connectHosts } from "./hosts.ts";
import { apiKeyOf, configOrExit, isRoot, prepareFolders, vaultSocketOf } from "./machine.ts";
import { openMasterKey } from "./master-key.ts";
import { type UserIds, userIds } from "./user-ids.ts";
import { version } from "./version.ts";

interface ServeOptions {
  hands?: string;
  roles: Role[];
  vaultSocket?: string;
  vaultClient?: UserIds;
  runAs?: UserIds;
  supervised?: boolean;
}

export function serveCommand(): Command {
  return new Command("serve")
    .description(
      "Serve the API and drive sessions; needs a database (DATABASE_URL) and hands, here or on other machines",
    )
    .option(
      "--hands <socket>",
      "where hands of this machine listens (default: the socket of this data directory, unless other hosts are configured)",
    )
    .addOption(
      new Option(
        "--roles <list>",
        `what this process does, of ${roles.join(", ")}; others on the same database do the rest`,
      )
        .argParser(rolesIn)
        .default([...roles], "all of them"),
    )
    .option(
      "--vault-socket <path>",
      "where drover egress asks for the credentials of sessions (default: the socket of this data directory)",
    )
    .option("--vault-client <uid:gid>", "the user of drover egress, who may ask, besides root", userIds)
    .option("--run-as <uid:gid>", "give up root for this user once everything is loaded", userIds)
    .option("--supervised", "run as a child of drover up")
    .action(async (options: ServeOptions) => {
      const config = configOrExit();
      if (config.database_url === null) {
        process.stderr.write(
          "drover serve needs DATABASE_URL; `drover up` brings a PostgreSQL of its own.\n",
        );
        process.exit(2);
      }
      await serve(config, config.database_url, options);
    });
}

/** What its parts load when it is first needed. */
export const loadLate = (): Promise<unknown> => Promise.all([loadUndici(), loadAuthority(), loadLibrary()]);

/** Whatever the roles of a process are: what egress asks for is in the database. */
async function listenForVault(
  config: Config,
  { vaultSocket, vaultClient, runAs }: ServeOptions,
  logger: Logger,
): Promise<VaultListener | null> {
  const socket_path = vaultSocket ?? vaultSocketOf(config);
  try {
    return await listenForEgress({
      socket_path,
      owner: vaultClient ?? runAs,
      onTrouble: (error) => logger.error({ err: error }, "egress could not be told of credentials"),
    });
  } catch (error) {
    if (!(error instanceof SocketTaken)) throw error;
    logger.info({ socket_path }, "others answer what egress asks of credentials: they are as many as may be");
    return null;
  }
}

function rolesIn(text: string): Role[] {
  const named = text.split(",").map((name) => name.trim());
  const wrong = named.find((name) => !roles.some((role) => role === name));
  if (wrong !== undefined) throw new InvalidArgumentError(`"${wrong}" is not one of ${roles.join(", ")}.`);
  return roles.filter((role) => named.includes(role));
}

async function serve(config: Config, databaseUrl: string, options: ServeOptions): Promise<void> {
  const life = lifetime("drover serve", options.supervised ?? false);
  const logger = pino({ level: config.log_level }, pino.destination({ dest: 2, sync: true }));
  try {
    if (!options.supervised) prepareFolders(config);
    const apiKey = apiKeyOf(config);
    const seal = createSeal(openMasterKey(config.master_key));
    const identity = config.hands.tls && readIdentity(config.hands.tls, "serve");
    const migrations = readMigrations();
    const prices = pricesOf(
      config.prices_file ? readPriceTable(config.prices_file) : listPrices,
      config.models,
    );
    const models = createModels(config.models);
    prepareFileStore(config.files.store, options.runAs ?? null);
    prepareFolder(config.repositories.folder, options.runAs ?? null);
    const vault = await listenForVault(config, options, logger);
    const console_files = consoleOf(config, options.runAs !== undefined);
    if (options.runAs) await dropPrivileges(options.runAs, loadLate);
    else if (isRoot()) logger.warn("serve runs as root; pass --run-as uid:gid, or start it with drover up");
    requireUsable(config.files.store);

    const hosts = connectHosts(config, { socket: options.hands, identity }, logger);
    const server = await startServer({
      roles: options.roles,
      database_url: databaseUrl,
      host: config.host,
      port: config.port,
      metrics: config.metrics,
      api_key: apiKey,
      migrations,
      hosts,
      host_gone_ms: config.hands.host_gone_ms,
      sandboxes: config.sandboxes,
      workspace_days: config.workspace_days,
      files: config.files,
      seal,
      vault,
      mcp: config.mcp,
      repositories: config.repositories,
      work_lease_ms: config.work_lease_ms,
      allow_private_hosts: config.allow_private_hosts,
      search: config.search,
      models,
      listing: modelListing(config.models, (message, error) => logger.warn({ err: error }, message)),
      prices,
      spending: { runtime_price: config.runtime_price, caps: config.caps },
      settings: shownSettings(process.env),
      console_files,
      logger,
      version,
    });
    life.reportReady({ url: server.url });
    if (!options.supervised)
      logger.info({ url: server.url, metrics: server.metrics_url ?? undefined }, "ready");
    await life.stopped;
    await server.close();
    for (const host of hosts) host.close();
  } catch (error) {
    logger.debug({ err: error }, "serve ends");
    life.fail(explain(error, config));
  }
  process.exit(0);
}
