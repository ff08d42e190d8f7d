import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type Anthropic from "@anthropic-ai/sdk";
import type { ModelsFile } from "../../src/config/models.ts";
import { readConfig } from "../../src/config.ts";
import { type TestDatabase, testDatabase } from "../../src/db/testing.ts";
import { sandboxOf } from "../../src/hands/placement.ts";
import type { Order } from "./crash-here.ts";
import { freePort } from "./free-port.ts";
import { loopbackHosts } from "./loopback-hosts.ts";
import { startPart } from "./part.ts";
import { clientOf, testKey } from "./server.ts";
import { type Workspace, workspaceOf } from "./workspace.ts";

/** Of each process, in a report. */
const lastLines = 60;

/** What a process loads that takes orders where to crash. */
export const crashHere = join(import.meta.dirname, "crash-here.ts");

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
  /** Where the host that shares a data directory with the servers keeps its sandboxes. */
  handsFolder: string;
  /** Where its sockets are. */
  runtimeFolder: string;
  /** Of the file store of the servers. */
  filesFolder: string;
  /** A free port for a serve; one that is started again may take the same. */
  serve(port: number, ...args: string[]): Promise<Serve>;
  /** The same by another version of the program, of which this is the entry. */
  serveVersion(main: string, port: number): Promise<Serve>;
  /** The way out of the sandboxes of the host that shares a data directory with the servers. */
  egress(): Promise<Running>;
  /** Of several hosts the one with this number. */
  hands(host?: number): Promise<Running>;
  /** On the host with this number, after so many moves. */
  workspace(sessionId: string, at?: { host: number; generation: number }): Workspace;
  /** Waits until the storage has a checkpoint of the session, made of its first sandbox. */
  kept(sessionId: string): Promise<void>;
  hasKept(sessionId: string): boolean;
  /** Removes all that the host has of its own, as if a new one took its place. It must not run. */
  emptyHost(): void;
  /** The end of what each of them has written. */
  report(): string;
  /** Kills what still runs and removes what they left behind. */
  close(): Promise<void>;
}

export async function startProcesses(
  options: {
    anthropic_url?: string;
    models?: ModelsFile;
    /** Servers on loopback that repositories come from. */
    repository_hosts?: string[];
    /** Of all of them, beside their own. */
    settings?: Record<string, string>;
    /** They take orders where to crash. */
    crashable?: boolean;
    /** So many sandbox hosts, instead of the one that shares a data directory with the servers. */
    hosts?: number;
    /** Instead of one of their own. */
    db?: TestDatabase;
  } = {},
): Promise<Processes> {
  const db = options.db ?? (await testDatabase());
  const dataDir = mkdtempSync(join(tmpdir(), "drover-crash-"));
  chmodSync(dataDir, 0o711);
  const configDir = mkdtempSync(join(tmpdir(), "drover-config-"));
  const config = join(configDir, "drover.yaml");
  const hosts = options.repository_hosts?.map((url) => ({ url, private_network: true }));
  const file = {
    ...(options.models && { models: options.models }),
    ...(hosts && { repositories: { hosts } }),
  };
  writeFileSync(config, JSON.stringify(file));
  const running = new Set<Running>();
  const logs: { part: string; lines: string[] }[] = [];
  const { PATH, HOME, XDG_RUNTIME_DIR } = process.env;
  const hostsDir = mkdtempSync(join(tmpdir(), "drover-hosts-"));
  chmodSync(hostsDir, 0o711);
  const several = options.hosts === undefined ? null : await loopbackHosts(hostsDir, options.hosts);
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
  const runtimes = [env, ...(several?.hosts ?? []).map((host) => ({ ...env, ...host.env }))].map(
    (each) => readConfig(each, { uid: process.getuid?.() ?? -1, home: HOME ?? "/" }).runtime_dir,
  );

  async function start(command: string[], more: Record<string, string>, main?: string): Promise<Running> {
    const lines: string[] = [];
    logs.push({ part: `${command[0]} ${logs.length}`, lines });
    const child = await startPart(
      command,
      { ...env, ...more },
      {
        main,
        preload: options.crashable ? crashHere : undefined,
        heard: (line) => {
          lines.push(line);
          if (lines.length > lastLines) lines.shift();
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
      ended: once(child, "close").then(() => /^crashes at (\w+)$/.exec(lines.at(-1) ?? "")?.[1] ?? null),
      freeze: () => child.kill("SIGSTOP"),
      thaw: () => child.kill("SIGCONT"),
    };
    running.add(started);
    return started;
  }

  async function serve(port: number, args: string[], main?: string): Promise<Serve> {
    const url = `http://127.0.0.1:${port}`;
    const metrics = `127.0.0.1:${await freePort()}`;
    const settings = { ...several?.serve, DROVER_PORT: String(port), DROVER_METRICS: metrics };
    const process = await start(["serve", ...args], settings, main);
    return { ...process, url, metrics_url: `http://${metrics}/metrics`, client: clientOf(url) };
  }

  const hasKept = (sessionId: string) =>
    existsSync(join(dataDir, "storage/documents/workspaces", sessionId, sandboxOf(sessionId), "1.json"));

  return {
    db,
    handsFolder: join(dataDir, "hands"),
    runtimeFolder: runtimes[0] ?? "",
    filesFolder: join(dataDir, "files"),
    serve: (port, ...args) => serve(port, args),
    serveVersion: (main, port) => serve(port, [], main),
    egress: () => start(["egress"], {}),
    hands(n = 0) {
      const host = several?.hosts[n];
      return start(["hands", ...(host?.args ?? [])], host?.env ?? {});
    },
    workspace(sessionId, at) {
      const host = several?.hosts[at?.host ?? 0];
      const moved = at && at.generation > 0 ? `-${at.generation}` : "";
      return workspaceOf(join(host?.data_dir ?? dataDir, "hands"), `${sessionId}${moved}`);
    },
    hasKept,
    async kept(sessionId) {
      while (!hasKept(sessionId)) await pause(5);
    },
    emptyHost() {
      for (const name of ["sandboxes", "checkpoints", "journal"])
        rmSync(join(dataDir, "hands", name), { recursive: true, force: true });
    },
    report: () => logs.flatMap(({ part, lines }) => lines.map((line) => `${part} | ${line}`)).join("\n"),
    async close() {
      await Promise.all([...running].map((child) => child.kill()));
      await db.close();
      // What ran in a sandbox may still write.
      for (const path of [dataDir, configDir, hostsDir, ...runtimes])
        rmSync(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    },
  };
}
