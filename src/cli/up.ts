import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Command } from "commander";
import type { Config } from "../config.ts";
import { type Postgres, startPostgres } from "../db/embedded/server.ts";
import { type SystemUser, systemUser } from "../db/embedded/user.ts";
import { playHello } from "./hello.ts";
import { logLines } from "./log-lines.ts";
import { apiKeyOf, configOrExit, handsSocketOf, isRoot, lockDataDir, prepareFolders } from "./machine.ts";
import { type ChildSpec, type Supervised, supervise } from "./supervise.ts";
import { painter } from "./tree.ts";

export function upCommand(main: string): Command {
  return new Command("up")
    .description("Start everything on this machine: PostgreSQL, hands and serve")
    .action(async () => {
      process.title = "drover up";
      const config = configOrExit();
      try {
        await up(config, main);
      } catch (error) {
        process.stderr.write(`drover up: ${error instanceof Error ? error.message : error}\n`);
        process.exit(1);
      }
    });
}

/** Runs until it is told to stop, and leaves no process behind. `main` is the program that the children run. */
async function up(config: Config, main: string): Promise<void> {
  const stop = new AbortController();
  let signals = 0;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      signals += 1;
      if (signals === 1) stop.abort();
      // The children see the end of their stdin, and PostgreSQL recovers at the next start.
      else if (signal === "SIGINT") process.exit(130);
    });
  }
  const paint = painter(process.stdout);
  const say = (text: string) => process.stdout.write(`${paint("dim", "drover")} ${text}\n`);

  prepareFolders(config);
  const lock = await lockDataDir(config);
  const users = isRoot() ? { serve: systemUser("drover"), postgres: systemUser("drover-postgres") } : null;
  const apiKey = apiKeyOf(config);

  const running: { stop(): Promise<void> }[] = [];
  try {
    const databaseUrl = config.database_url ?? (await embedded(config, users, say, stop.signal, running));
    if (stop.signal.aborted) return;
    const events = { say, log: logLines(process.stderr) };
    const start = async (spec: ChildSpec): Promise<Record<string, unknown> | null> => {
      if (stop.signal.aborted) return null;
      const child: Supervised = supervise(spec, events);
      running.push(child);
      return Promise.race([child.ready, aborted(stop.signal)]);
    };
    await start(handsSpec(config, main, users?.serve ?? null));
    const served = await start(serveSpec(config, main, databaseUrl, apiKey, users?.serve ?? null));
    if (!served) return;
    await welcome(config, String(served.url), apiKey);
    if (!stop.signal.aborted) await aborted(stop.signal);
  } finally {
    stop.abort();
    if (running.length > 0) say("stopping");
    for (const part of running.toReversed()) await part.stop();
    lock.close();
  }
  process.exit(0);
}

const aborted = (signal: AbortSignal): Promise<null> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve(null);
    signal.addEventListener("abort", () => resolve(null));
  });

/** The embedded PostgreSQL, started again whenever it dies. */
async function embedded(
  config: Config,
  users: { serve: SystemUser; postgres: SystemUser } | null,
  say: (text: string) => void,
  stop: AbortSignal,
  running: { stop(): Promise<void> }[],
): Promise<string> {
  const options = {
    data_dir: config.data_dir,
    socket_dir: join(config.runtime_dir, "pg"),
    user: users?.postgres ?? null,
    clients: users ? [users.serve.name] : [],
  };
  if (!existsSync(join(config.data_dir, "postgres"))) say("making a PostgreSQL data directory");
  let server: Postgres = await startPostgres(options);
  say(`PostgreSQL ${server.version} ${server.adopted ? "was still running" : "is running"}`);

  async function keepAlive(): Promise<void> {
    for (;;) {
      await server.exited;
      if (stop.aborted) return;
      say("PostgreSQL ended; starting it again");
      for (let again = true; again && !stop.aborted; ) {
        try {
          server = await startPostgres(options);
          again = false;
          say("PostgreSQL is back");
        } catch (error) {
          say(`${error instanceof Error ? error.message : error}; trying again`);
          await pause(1_000);
        }
      }
    }
  }
  keepAlive();
  running.push({ stop: () => server.stop() });
  return server.url;
}

/** Only what a child needs: `hands` gets no key and no database. */
const plainEnv = (config: Config) => ({
  PATH: process.env.PATH,
  LANG: process.env.LANG,
  DROVER_DATA_DIR: config.data_dir,
  DROVER_LOG: config.log_level,
});

function handsSpec(config: Config, main: string, client: SystemUser | null): ChildSpec {
  const owner = client ? ["--client-uid", String(client.uid)] : [];
  return {
    name: "hands",
    command: process.execPath,
    args: [main, "hands", "--supervised", "--socket", handsSocketOf(config), ...owner],
    env: plainEnv(config),
  };
}

function serveSpec(
  config: Config,
  main: string,
  databaseUrl: string,
  apiKey: string,
  user: SystemUser | null,
): ChildSpec {
  const runAs = user ? ["--run-as", `${user.uid}:${user.gid}`] : [];
  return {
    name: "serve",
    command: process.execPath,
    args: [main, "serve", "--supervised", "--hands", handsSocketOf(config), ...runAs],
    env: {
      ...plainEnv(config),
      DROVER_HOST: config.host,
      DROVER_PORT: String(config.port),
      DROVER_API_KEY: apiKey,
      DATABASE_URL: databaseUrl,
      ...(config.anthropic && {
        DROVER_ANTHROPIC_API_KEY: config.anthropic.api_key,
        DROVER_ANTHROPIC_BASE_URL: config.anthropic.base_url,
      }),
    },
  };
}

async function welcome(config: Config, url: string, apiKey: string): Promise<void> {
  const out = process.stdout;
  const paint = painter(out);
  out.write(`${paint("green", "ready")} ${paint("bold", url)}\n\n`);
  out.write(`  API key   ${apiKey}\n`);
  out.write(`  data      ${config.data_dir}\n`);
  out.write(
    `  model     ${config.anthropic ? "claude-... and simulated" : "simulated (set DROVER_ANTHROPIC_API_KEY for claude-...)"}\n\n`,
  );
  out.write("  Try next, in another terminal:\n");
  out.write(`    npm run drover -- run "bash ls -la /workspace"\n`);
  out.write(`    export ANTHROPIC_BASE_URL=${url} ANTHROPIC_API_KEY=${apiKey}   # any official SDK\n\n`);
  const played = join(config.data_dir, "hello-played");
  if (!config.hello || existsSync(played)) return;
  writeFileSync(played, "");
  try {
    await playHello({ baseUrl: url, apiKey, out });
  } catch (error) {
    out.write(`The hello session did not work: ${error instanceof Error ? error.message : error}\n`);
  }
  out.write("\n");
}
