import { chmodSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import Anthropic from "@anthropic-ai/sdk";
import { pino } from "pino";
import type { ConsoleFiles } from "../../src/api/console/files.ts";
import type { FilesSettings } from "../../src/config/files.ts";
import type { McpSettings } from "../../src/config/mcp.ts";
import { type ModelsFile, modelsConfig } from "../../src/config/models.ts";
import type { RepositoryHost } from "../../src/config/repositories.ts";
import { builtInSandboxes } from "../../src/config/sandboxes.ts";
import type { SearchSettings } from "../../src/config/web.ts";
import { type Caps, noCaps, shownSettings } from "../../src/config.ts";
import { readMigrations } from "../../src/db/migrate.ts";
import { type TestDatabase, testDatabase } from "../../src/db/testing.ts";
import { connectHost } from "../../src/hands/client.ts";
import { type BubblewrapOptions, bubblewrap } from "../../src/hands/drivers/bubblewrap.ts";
import { startHands } from "../../src/hands/host.ts";
import type { Checkpoint } from "../../src/hands/wire.ts";
import { limits } from "../../src/limits.ts";
import { modelListing } from "../../src/models/listing.ts";
import { listPrices } from "../../src/models/price-table.ts";
import { type PriceTable, pricesOf } from "../../src/models/prices.ts";
import { createModels } from "../../src/models/registry.ts";
import { type Role, roles, type Server, startServer } from "../../src/server.ts";
import { freshMasterKey, masterKeyOf } from "../../src/vault/master-key.ts";
import { createSeal, type Seal } from "../../src/vault/seal.ts";
import type { McpBearers } from "../../src/vault/secrets.ts";
import { listenForEgress } from "../../src/vault/socket.ts";
import { beta, testKey } from "./headers.ts";
import { type Workspace, workspaceOf } from "./workspace.ts";

export { beta, testKey };

export interface TestServer {
  url: string;
  server: Server;
  db: TestDatabase;
  hands: TestHands;
  seal: Seal;
  client: Anthropic;
  /** The folder that holds its files, unless they lie elsewhere. */
  files: string;
  workspace(sessionId: string): Workspace;
  /** Ends the server alone; another one can go on beside what is left. */
  stop(): Promise<void>;
  close(): Promise<void>;
}

export interface TestServerOptions {
  /** All of them, unless it says so. */
  roles?: Role[];
  /** Base URL of the model provider; without it none is configured. */
  anthropic_url?: string;
  /** As the configuration file says it. */
  models?: ModelsFile;
  /** It can be scraped, at a port of its own. */
  metrics?: boolean;
  allow_private_hosts?: string[];
  search?: SearchSettings;
  /** What MCP servers are shown, in place of what vaults have. */
  bearers?: McpBearers;
  spending?: { runtime_price?: number; caps?: Caps };
  /** Instead of the built-in ones. */
  prices?: PriceTable;
  /** Where packages come from. */
  registries?: TestRegistries;
  /** Of what is not said, a folder of its own. */
  files?: Partial<FilesSettings>;
  /** Gets each line that the server logs at level error; without it they go to stderr. */
  log?: (line: string) => void;
  /** Instead of one of its own. */
  seal?: Seal;
  /** A server that shares its database and its hands with the new one. */
  beside?: TestServer;
  /** A database that somebody else closes. */
  db?: TestDatabase;
  /** Hosts are given up sooner than usual. */
  host_gone_ms?: number;
  mcp?: McpSettings;
  /** Where repositories may come from. */
  repository_hosts?: RepositoryHost[];
  /** Workers of self-hosted environments lose their work sooner than usual. */
  work_lease_ms?: number;
  /** Where egress asks it for the credentials of sessions. */
  vault_socket?: string;
  /** The web console, instead of the one that is built. */
  console_files?: ConsoleFiles;
  /** How the server reaches it, where that is not its own URL. */
  database_url?: string;
}

/** A `serve` in this process, on a database of its own and with real sandboxes. */
export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  const db = options.db ?? options.beside?.db ?? (await testDatabase());
  const host = options.beside?.hands ?? (await startTestHands(options.registries));
  const files = options.beside?.files ?? mkdtempSync(join(tmpdir(), "drover-e2e-files-"));
  const seal = options.seal ?? options.beside?.seal ?? createSeal(masterKeyOf(freshMasterKey()));
  const hands = connectHost({ socket_path: host.socket });
  const upstream = options.anthropic_url && {
    DROVER_ANTHROPIC_API_KEY: "upstream-key",
    DROVER_ANTHROPIC_BASE_URL: options.anthropic_url,
  };
  const { config: models } = modelsConfig({ ...upstream }, options.models);
  const server = await startServer({
    roles: options.roles ?? roles,
    database_url: options.database_url ?? db.url,
    host: "127.0.0.1",
    port: 0,
    metrics: options.metrics ? { host: "127.0.0.1", port: 0 } : null,
    api_key: testKey,
    migrations: readMigrations(),
    hosts: [hands],
    host_gone_ms: options.host_gone_ms ?? limits.host_gone_ms,
    allow_private_hosts: options.allow_private_hosts ?? [],
    search: options.search ?? null,
    ...(options.bearers && { bearers: options.bearers }),
    sandboxes: builtInSandboxes,
    workspace_days: 30,
    files: {
      store: { type: "folder", path: files },
      quota_bytes: null,
      uploads_downloadable: false,
      ...options.files,
    },
    mcp: options.mcp ?? { elicitation: "decline" },
    repositories: {
      hosts: options.repository_hosts ?? [],
      folder: join(files, "..", `${basename(files)}-repositories`),
    },
    seal,
    settings: shownSettings({}),
    ...(options.console_files && { console_files: options.console_files }),
    work_lease_ms: options.work_lease_ms ?? limits.work_lease_ms,
    vault: options.vault_socket ? await listenForEgress({ socket_path: options.vault_socket }) : null,
    models: createModels(models),
    listing: modelListing(models, () => {}),
    prices: pricesOf(options.prices ?? listPrices, models),
    spending: { runtime_price: 0, caps: noCaps, ...options.spending },
    logger: pino(
      { level: "error" },
      options.log ? { write: options.log } : pino.destination({ dest: 2, sync: true }),
    ),
    version: "0.0.0-test",
  });
  let stopped: Promise<void> | null = null;
  const stop = () => {
    stopped ??= server.close().then(() => hands.close());
    return stopped;
  };
  return {
    url: server.url,
    server,
    db,
    hands: host,
    seal,
    client: clientOf(server.url),
    files,
    workspace: (sessionId) => workspaceOf(host.folder, sessionId),
    stop,
    async close() {
      await stop();
      if (options.beside) return;
      await host.close();
      for (const folder of [files, `${files}-repositories`]) rmSync(folder, { recursive: true, force: true });
      if (!options.db) await db.close();
    },
  };
}

export interface TestHands {
  socket: string;
  folder: string;
  /** Of all hosts, one after the other. */
  storage: string;
  /** Resolves with the next checkpoint that is made of a session's workspace. */
  kept(sessionId: string): Promise<Checkpoint>;
  /** Puts a host in the place of this one that has nothing of it but the storage, or not even that. */
  replace(options?: { without_storage: boolean }): Promise<void>;
  close(): Promise<void>;
}

export interface TestRegistries {
  /** Of what answers in the place of an egress process. */
  egress_socket: string;
  installers: BubblewrapOptions["installers"] & {};
}

async function startTestHands(registries?: TestRegistries): Promise<TestHands> {
  const folder = mkdtempSync(join(tmpdir(), "drover-e2e-"));
  // Every sandbox has a user of its own, who has to pass.
  chmodSync(folder, 0o711);
  const socket = join(folder, "hands.sock");
  const storage = mkdtempSync(join(tmpdir(), "drover-e2e-storage-"));
  const kept = new Set<(checkpoint: Checkpoint) => void>();
  const start = () =>
    startHands({
      socket_path: socket,
      data_dir: folder,
      driver: bubblewrap({ data_dir: folder, ...(registries && { installers: registries.installers }) }),
      ...(registries && { egress_socket: registries.egress_socket }),
      checkpoints: {
        storage,
        after_ms: 20,
        onKept(checkpoint) {
          for (const hear of kept) hear(checkpoint);
        },
      },
    });
  let host = await start();
  return {
    socket,
    folder,
    storage,
    kept: (sessionId) =>
      new Promise((resolve) => {
        const hear = (checkpoint: Checkpoint) => {
          if (checkpoint.sandbox_id !== sessionId.replace("sesn_", "sbx_")) return;
          kept.delete(hear);
          resolve(checkpoint);
        };
        kept.add(hear);
      }),
    async replace({ without_storage } = { without_storage: false }) {
      await host.close();
      if (without_storage)
        for (const name of readdirSync(storage).filter((name) => name !== "storage-id"))
          rmSync(join(storage, name), { recursive: true, force: true });
      for (const name of ["sandboxes", "mounts", "checkpoints", "journal", "outputs"])
        rmSync(join(folder, name), { recursive: true, force: true });
      host = await start();
    },
    async close() {
      await host.close();
      for (const path of [folder, storage]) rmSync(path, { recursive: true, force: true });
    },
  };
}

/** The official SDK as users point it at Drover: the key goes as a bearer. */
export const clientOf = (url: string, apiKey = testKey) =>
  new Anthropic({ baseURL: url, apiKey, authToken: null });
