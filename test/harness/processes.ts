import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type Anthropic from "@anthropic-ai/sdk";
import type { ModelsFile } from "../../src/config/models.ts";
import { readConfig } from "../../src/config.ts";
import { type TestDatabase, testDatabase } from "../../src/db/testing.ts";
import type { Order } from "./crash-here.ts";
import { freePort } from "./free-port.ts";
import { startPart } from "./part.ts";
import { clientOf, testKey } from "./server.ts";
import { type Workspace, workspaceOf } from "./workspace.ts";

const crashHere = join(import.meta.dirname, "crash-here.ts");

export interface Running {
  pid: number;
  /** SIGKILL, and waits until it is gone. */
  kill(): Promise<void>;
  /** SIGTERM, and waits; resolves with its exit code. */
  stop(): Promise<number | null>;
  /** Where it is to kill itself, from now on. Only with `crashable`. */
  crashAt(order: Order): Promise<void>;
  /** Resolves when it has ended: with the place at which it killed itself, or null. */
  ended: Promise<string | null>;
  /** SIGSTOP and SIGCONT. */
  freeze(): void;
  thaw(): void;
}

export type Serve = Running & { url: string; metrics_url: string; client: Anthropic };

/** Real processes as an operator would start them: `drover hands` and any number of `drover serve`, one database. */
export interface Processes {
  db: TestDatabase;
  /** A free port for a serve; one that is started again may take the same. */
  serve(port: number, ...args: string[]): Promise<Serve>;
  /** The same by another version of the program, of which this is the entry. */
  serveVersion(main: string, port: number): Promise<Serve>;
  hands(): Promise<Running>;
  workspace(sessionId: string): Workspace;
  /** Kills what still runs and removes what they left behind. */
  close(): Promise<void>;
}

export async function startProcesses(
  options: {
    anthropic_url?: string;
    models?: ModelsFile;
    /** Of all of them, beside their own. */
    settings?: Record<string, string>;
    /** They take orders where to crash. */
    crashable?: boolean;
    /** Instead of one of their own. */
    db?: TestDatabase;
  } = {},
): Promise<Processes> {
  const db = options.db ?? (await testDatabase());
  const dataDir = mkdtempSync(join(tmpdir(), "drover-crash-"));
  chmodSync(dataDir, 0o711);
  const configDir = mkdtempSync(join(tmpdir(), "drover-config-"));
  const config = join(configDir, "drover.yaml");
  writeFileSync(config, JSON.stringify(options.models ? { models: options.models } : {}));
  const running = new Set<Running>();
  const { PATH, HOME, XDG_RUNTIME_DIR } = process.env;
  const env = {
    PATH,
    HOME,
    XDG_RUNTIME_DIR,
    DATABASE_URL: db.url,
    DROVER_API_KEY: testKey,
    DROVER_DATA_DIR: dataDir,
    DROVER_CONFIG: config,
    ...options.settings,
    ...(options.anthropic_url && {
      DROVER_ANTHROPIC_API_KEY: "upstream-key",
      DROVER_ANTHROPIC_BASE_URL: options.anthropic_url,
    }),
  };
  const { runtime_dir } = readConfig(env, { uid: process.getuid?.() ?? -1, home: HOME ?? "/" });

  async function start(command: string[], more: Record<string, string>, main?: string): Promise<Running> {
    let lastWords = "";
    const child = await startPart(
      command,
      { ...env, ...more },
      {
        main,
        preload: options.crashable ? crashHere : undefined,
        heard: (line) => {
          lastWords = line;
        },
      },
    );
    const started: Running = {
      pid: child.pid ?? 0,
      async kill() {
        running.delete(started);
        if (child.exitCode !== null || child.signalCode !== null) return;
        child.kill("SIGKILL");
        await once(child, "exit");
      },
      async stop() {
        running.delete(started);
        child.kill("SIGTERM");
        await once(child, "exit");
        return child.exitCode;
      },
      async crashAt(order) {
        const understood = once(child, "message");
        // One that has died meanwhile says so by `ended`.
        child.send(order, () => {});
        await understood;
      },
      ended: once(child, "close").then(() => /^crashes at (\w+)$/.exec(lastWords)?.[1] ?? null),
      freeze: () => child.kill("SIGSTOP"),
      thaw: () => child.kill("SIGCONT"),
    };
    running.add(started);
    return started;
  }

  async function serve(port: number, args: string[], main?: string): Promise<Serve> {
    const url = `http://127.0.0.1:${port}`;
    const metrics = `127.0.0.1:${await freePort()}`;
    const settings = { DROVER_PORT: String(port), DROVER_METRICS: metrics };
    const process = await start(["serve", ...args], settings, main);
    return { ...process, url, metrics_url: `http://${metrics}/metrics`, client: clientOf(url) };
  }

  return {
    db,
    serve: (port, ...args) => serve(port, args),
    serveVersion: (main, port) => serve(port, [], main),
    hands: () => start(["hands"], {}),
    workspace: (sessionId) => workspaceOf(join(dataDir, "hands"), sessionId),
    async close() {
      await Promise.all([...running].map((child) => child.kill()));
      await db.close();
      rmSync(dataDir, { recursive: true, force: true });
      rmSync(configDir, { recursive: true, force: true });
      rmSync(runtime_dir, { recursive: true, force: true });
    },
  };
}
