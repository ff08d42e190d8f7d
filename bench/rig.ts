import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { ownFileStore } from "../src/config/files.ts";
import { modelsConfig } from "../src/config/models.ts";
import { builtInSandboxes } from "../src/config/sandboxes.ts";
import { noCaps, readConfig } from "../src/config.ts";
import { type DatabasePool, openDatabase } from "../src/db/database.ts";
import { startPostgres } from "../src/db/embedded/server.ts";
import { systemUser } from "../src/db/embedded/user.ts";
import { migrate, readMigrations } from "../src/db/migrate.ts";
import { connectHost } from "../src/hands/client.ts";
import { bubblewrap } from "../src/hands/drivers/bubblewrap.ts";
import { connectHands, type OneHost } from "../src/hands/one-host.ts";
import { limits } from "../src/limits.ts";
import { modelListing } from "../src/models/listing.ts";
import type { Candidates, Models } from "../src/models/model.ts";
import { listPrices } from "../src/models/price-table.ts";
import { pricesOf } from "../src/models/prices.ts";
import { createModels } from "../src/models/registry.ts";
import { roles, startServer } from "../src/server.ts";
import { freshMasterKey, masterKeyOf } from "../src/vault/master-key.ts";
import { createSeal } from "../src/vault/seal.ts";
import { freePort } from "../test/harness/free-port.ts";
import { startPart } from "../test/harness/part.ts";
import { type Client, connectClient } from "./client.ts";

const apiKey = "key-of-the-bench-run";

/** A `serve`, and a client of it. */
export interface Target {
  client: Client;
  close(): Promise<void>;
}

/** A `serve` that is a process of its own. */
export interface ServeProcess extends Target {
  pid: number;
  url: string;
  /** SIGKILL, and waits until it is gone. */
  kill(): Promise<void>;
  freeze(): void;
}

export interface Rig {
  /** A connection of the bench's own, for what no client can do. */
  db: DatabasePool;
  postgres: string;
  /** The one that its servers accept. */
  apiKey: string;
  hands: OneHost;
  handsPid: number;
  /** Where the files of sandboxes are. */
  handsFolder: string;
  /** Why no sandbox can be started here; null when one can. */
  noSandbox: string | null;
  /** A `serve` as a process of its own; `env` adds to its settings. */
  serve(env?: NodeJS.ProcessEnv): Promise<ServeProcess>;
  /** The same in this process, where its model and its statements can be watched. */
  inProcess(models?: Models & Candidates): Promise<Target & { statementCount(): number }>;
  /** With every tool; on the simulated model, and in an environment without settings, where none is named. */
  newSession(client: Client, model?: string, environment_id?: string): Promise<string>;
  close(): Promise<void>;
}

/** PostgreSQL with its safe settings, `drover hands`, `drover egress` and a folder for all, gone after `close`. */
export async function startRig(): Promise<Rig> {
  const folder = mkdtempSync(join(tmpdir(), "drover-bench-"));
  chmodSync(folder, 0o711);
  const postgres = await startPostgres({
    data_dir: folder,
    socket_dir: join(folder, "socket"),
    user: process.getuid?.() === 0 ? systemUser("drover-postgres") : null,
    clients: [],
  });
  const databaseUrl = postgres.admin_url.replace("/postgres?", "/drover?");
  const db = openDatabase({ url: databaseUrl });
  await migrate(db, readMigrations());
  const socket = join(folder, "hands.sock");
  const { PATH, HOME, NODE_OPTIONS } = process.env;
  const env = {
    PATH,
    HOME,
    NODE_OPTIONS,
    DATABASE_URL: databaseUrl,
    DROVER_API_KEY: apiKey,
    DROVER_DATA_DIR: folder,
    DROVER_SANDBOXES_MAX: "256",
  };
  const { runtime_dir } = readConfig(env, { uid: process.getuid?.() ?? -1, home: HOME ?? "/" });
  const children = new Set<ChildProcess>();
  const noSandbox = await bubblewrap({ data_dir: join(folder, "hands") }).check();

  async function start(command: string, args: string[], more: NodeJS.ProcessEnv = {}): Promise<ChildProcess> {
    const child = await startPart([command, ...args], { ...env, ...more });
    children.add(child);
    return child;
  }

  async function stop(child: ChildProcess): Promise<void> {
    if (!children.delete(child) || child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGTERM");
    await once(child, "exit");
  }

  await start("egress", []);
  const host = await start("hands", ["--socket", socket]);
  const hands = connectHands({ socket_path: socket });
  const facts = new Map<string, { agent: string; environment_id: string }>();

  return {
    db,
    postgres: postgres.version,
    apiKey,
    hands,
    handsPid: host.pid ?? 0,
    handsFolder: join(folder, "hands"),
    noSandbox,
    async serve(more = {}) {
      const port = await freePort();
      const child = await start("serve", ["--hands", socket], { ...more, DROVER_PORT: String(port) });
      const url = `http://127.0.0.1:${port}`;
      const client = connectClient(url, apiKey);
      return {
        pid: child.pid ?? 0,
        url,
        client,
        async kill() {
          client.close();
          if (!children.delete(child) || child.signalCode !== null) return;
          child.kill("SIGKILL");
          await once(child, "exit");
        },
        freeze: () => void child.kill("SIGSTOP"),
        async close() {
          client.close();
          await stop(child);
        },
      };
    },
    async inProcess(models = createModels(modelsConfig({}).config)) {
      const own = connectHost({ socket_path: socket });
      const server = await startServer({
        roles,
        database_url: databaseUrl,
        host: "127.0.0.1",
        port: 0,
        metrics: null,
        api_key: apiKey,
        migrations: readMigrations(),
        hosts: [own],
        host_gone_ms: limits.host_gone_ms,
        sandboxes: builtInSandboxes,
        workspace_days: 30,
        files: {
          store: { type: "folder", path: join(folder, ownFileStore) },
          quota_bytes: null,
          uploads_downloadable: false,
        },
        mcp: { elicitation: "decline" },
        repositories: { hosts: [], folder: join(folder, "repositories") },
        seal: createSeal(masterKeyOf(freshMasterKey())),
        work_lease_ms: limits.work_lease_ms,
        vault: null,
        allow_private_hosts: [],
        search: null,
        models,
        listing: modelListing(modelsConfig({}).config, () => {}),
        prices: pricesOf(listPrices, modelsConfig({}).config),
        spending: { runtime_price: 0, caps: noCaps },
        logger: pino({ level: "warn" }, pino.destination({ dest: 2, sync: true })),
        settings: [],
        version: "0.0.0-bench",
      });
      const client = connectClient(server.url, apiKey);
      return {
        client,
        statementCount: server.statementCount,
        async close() {
          client.close();
          await server.close();
          own.close();
        },
      };
    },
    async newSession(client, model = "simulated", environment_id) {
      const made = facts.get(model) ?? (await makeAgent(client, model));
      facts.set(model, made);
      const its = environment_id === undefined ? made : { ...made, environment_id };
      const { id } = await client.post<{ id: string }>("/v1/sessions", its);
      return id;
    },
    async close() {
      hands.close();
      await Promise.all([...children].map(stop));
      await db.close();
      await postgres.stop();
      rmSync(folder, { recursive: true, force: true });
      rmSync(runtime_dir, { recursive: true, force: true });
    },
  };
}

async function makeAgent(client: Client, model: string) {
  const agent = await client.post<{ id: string }>("/v1/agents", {
    name: "bench",
    model,
    tools: [{ type: "agent_toolset_20260401" }],
  });
  const environment = await client.post<{ id: string }>("/v1/environments", { name: "bench" });
  return { agent: agent.id, environment_id: environment.id };
}
