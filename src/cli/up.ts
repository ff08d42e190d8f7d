import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { driverEnvironment } from "../config/driver.ts";
import { egressEnvironment, linkEnvironment } from "../config/egress.ts";
import { mirrorsEnvironment } from "../config/mirrors.ts";
import type { Config } from "../config.ts";
import { type SystemUser, systemUser } from "../db/embedded/user.ts";
import { consoleOf, consoleScript, provideConsole } from "./console-build.ts";
import { explain } from "./explain.ts";
import { lockDataDir } from "./lock.ts";
import { logLines } from "./log-lines.ts";
import {
  apiKeyOf,
  configOrExit,
  egressSocketOf,
  handsSocketOf,
  hasOwnStorage,
  isRoot,
  prepareFolders,
  sayOwnStorage,
  vaultSocketOf,
} from "./machine.ts";
import { modelsLine } from "./models.ts";
import { keepPostgres } from "./postgres.ts";
import { type ChildSpec, supervise } from "./supervise.ts";
import { painter } from "./terminal.ts";

export function upCommand(main: string): Command {
  return new Command("up")
    .description("Start everything on this machine: PostgreSQL, egress, hands and serve")
    .action(async () => {
      process.title = "drover up";
      // A terminal that is gone, or a reader that has seen enough, is no reason to fall.
      for (const out of [process.stdout, process.stderr]) out.on("error", () => {});
      const config = configOrExit();
      const stop = stopSignal();
      try {
        await up(config, main, stop);
      } catch (error) {
        if (stop.aborted) process.exit(0);
        process.stderr.write(`drover up: ${explain(error)}\n`);
        process.exit(1);
      }
      process.exit(0);
    });
}

/**
 * Aborts at the first signal. Further ones change nothing: npm passes on a Ctrl-C that the terminal has already sent,
 * and every step of stopping has a time limit.
 */
function stopSignal(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => stop.abort());
  return stop.signal;
}

/** Runs until it is told to stop, and leaves no process behind. `main` is the program that the children run. */
async function up(config: Config, main: string, stop: AbortSignal): Promise<void> {
  const ending = new AbortController();
  const signal = AbortSignal.any([stop, ending.signal]);
  const paint = painter(process.stdout);
  const say = (text: string) => process.stdout.write(`${paint("dim", "drover")} ${text}\n`);

  prepareFolders(config);
  const lock = await lockDataDir(config.data_dir, {
    signal,
    onWait: () => say("waiting for the processes of an earlier drover up to end"),
  });
  const users = isRoot()
    ? {
        serve: systemUser("drover"),
        postgres: systemUser("drover-postgres"),
        egress: systemUser("drover-egress"),
      }
    : null;
  const apiKey = apiKeyOf(config);
  const events = { say, log: logLines(process.stderr) };

  const running: { stop(): Promise<void> }[] = [];
  const start = async (spec: ChildSpec): Promise<Record<string, unknown>> => {
    signal.throwIfAborted();
    const child = supervise({ ...spec, holds: lock.fd }, events);
    running.push(child);
    return Promise.race([child.ready, aborted(signal)]);
  };
  try {
    running.push(
      provideConsole({
        files: consoleOf(config, users !== null),
        script: config.console_build ? consoleScript : null,
        ...events,
      }),
    );
    let databaseUrl = config.database_url;
    if (databaseUrl === null) {
      const postgres = await keepPostgres(
        {
          data_dir: config.data_dir,
          socket_dir: join(config.runtime_dir, "pg"),
          user: users?.postgres ?? null,
          clients: users ? [users.serve] : [],
          signal,
        },
        say,
      );
      running.push(postgres);
      databaseUrl = postgres.url;
    }
    if (config.hands.hosts.length > 0 && hasOwnStorage(config)) say(sayOwnStorage(config.storage));
    await start(egressSpec(config, main, users?.egress ?? null));
    await start(handsSpec(config, main, users?.serve ?? null));
    const { url } = await start(serveSpec(config, main, databaseUrl, apiKey, users));
    welcome(config, String(url), apiKey);
    if (isFresh(config.data_dir) && config.hello)
      await Promise.race([hello(String(url), apiKey), aborted(signal)]);
    await aborted(signal);
  } finally {
    ending.abort();
    if (running.length > 0) say("stopping");
    for (const part of running.toReversed()) await part.stop();
    lock.release();
  }
}

/** Rejects when it happens. */
const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason));
  });

/** True the first time that everything works on a data directory. */
function isFresh(dataDir: string): boolean {
  const mark = join(dataDir, "started-before");
  if (existsSync(mark)) return false;
  writeFileSync(mark, "");
  return true;
}

/** Only what a child needs: `hands` and `egress` get no key and no database. */
const plainEnv = (config: Config) => ({
  PATH: process.env.PATH,
  LANG: process.env.LANG,
  XDG_RUNTIME_DIR: process.env.XDG_RUNTIME_DIR,
  NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
  DROVER_DATA_DIR: config.data_dir,
  DROVER_LOG: config.log_level,
});

/** Not the configuration file, which may hold keys: what it says of hosts is passed on by itself. */
function egressSpec(config: Config, main: string, user: SystemUser | null): ChildSpec {
  const runAs = user ? ["--run-as", idsOf(user)] : [];
  const sockets = ["--socket", egressSocketOf(config), "--vault-socket", vaultSocketOf(config)];
  return {
    name: "egress",
    command: process.execPath,
    args: [main, "egress", "--supervised", ...sockets, ...runAs],
    env: {
      ...plainEnv(config),
      // By whom hosts are certified that credentials are for.
      NODE_EXTRA_CA_CERTS: process.env.NODE_EXTRA_CA_CERTS,
      SSL_CERT_FILE: process.env.SSL_CERT_FILE,
      SSL_CERT_DIR: process.env.SSL_CERT_DIR,
      DROVER_ALLOW_PRIVATE_HOSTS: config.allow_private_hosts.join(","),
      DROVER_PACKAGE_HOSTS: config.sandboxes.package_hosts.join(","),
      ...egressEnvironment(config.egress_proxy),
      ...linkEnvironment(config.egress_link),
    },
  };
}

function handsSpec(config: Config, main: string, client: SystemUser | null): ChildSpec {
  const owner = client ? ["--client", idsOf(client)] : [];
  return {
    name: "hands",
    command: process.execPath,
    args: [main, "hands", "--supervised", "--socket", handsSocketOf(config), ...owner],
    env: {
      ...plainEnv(config),
      ...driverEnvironment(config.driver),
      DROVER_SANDBOXES_MAX: config.hands.sandboxes_max?.toString(),
      ...mirrorsEnvironment(config.sandboxes.mirrors),
      DROVER_STORAGE: config.storage,
    },
  };
}

function serveSpec(
  config: Config,
  main: string,
  databaseUrl: string,
  apiKey: string,
  users: { serve: SystemUser; egress: SystemUser } | null,
): ChildSpec {
  const runAs = users ? ["--run-as", idsOf(users.serve), "--vault-client", idsOf(users.egress)] : [];
  const sockets = ["--hands", handsSocketOf(config), "--vault-socket", vaultSocketOf(config)];
  return {
    name: "serve",
    command: process.execPath,
    args: [main, "serve", "--supervised", ...sockets, ...runAs],
    env: {
      ...plainEnv(config),
      DROVER_HOST: config.host,
      DROVER_PORT: String(config.port),
      DROVER_API_KEY: apiKey,
      DATABASE_URL: databaseUrl,
      ...keysEnv(config),
      ...bucketEnv(config),
      ...passedEnv(),
    },
  };
}

const idsOf = ({ uid, gid }: SystemUser) => `${uid}:${gid}`;

/** Passed on as given: `serve` reads them itself. */
const passedEnv = () =>
  Object.fromEntries(
    Object.entries(process.env).filter(([name]) =>
      /^(DROVER_(CONFIG|FILES|FILES_.*|MASTER_KEY|MASTER_KEY_FILE|JUDGE_MODEL|PRICES|RUNTIME_PRICE|CAP_.*|[A-Z]+_BASE_URL|SEARCH|SEARCH_.*|WORKSPACE_DAYS|WORK_LEASE|ALLOW_PRIVATE_HOSTS|HANDS_.*|HOST_GONE|METRICS)|GOOGLE_APPLICATION_CREDENTIALS)$/.test(
        name,
      ),
    ),
  );

/** The keys of providers of models and of searches, under the names by which they are looked for. */
const keysEnv = ({ models, search }: Config): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(
    [...models.providers.values()].flatMap(({ api_key, key_from }) =>
      api_key !== null && key_from !== null && /^\w+$/.test(key_from) ? [[key_from, api_key]] : [],
    ),
  ),
  ...(search?.provider === "brave" ? { DROVER_SEARCH_KEY: search.key } : {}),
});

/** The key for the bucket that files lie in, if it is one. */
function bucketEnv({ files: { store } }: Config): NodeJS.ProcessEnv {
  if (store.type !== "s3") return {};
  const { access_key_id, secret_access_key, session_token } = store.credentials;
  return {
    AWS_ACCESS_KEY_ID: access_key_id,
    AWS_SECRET_ACCESS_KEY: secret_access_key,
    ...(session_token !== null && { AWS_SESSION_TOKEN: session_token }),
  };
}

function welcome(config: Config, url: string, apiKey: string): void {
  const out = process.stdout;
  const paint = painter(out);
  out.write(`${paint("green", "ready")} ${paint("bold", url)}\n\n`);
  out.write(`  console   ${url}/console/   (sign in with the API key)\n`);
  out.write(`  API key   ${apiKey}\n`);
  out.write(`  data      ${config.data_dir}\n`);
  out.write(`  model     ${modelsLine(config.models)}\n\n`);
  out.write("  Try next, in another terminal:\n");
  out.write("    npm run drover -- chat                               # talk with an agent\n");
  out.write(`    npm run drover -- run "bash ls -la /workspace"       # give one a task\n`);
  out.write(`    export ANTHROPIC_BASE_URL=${url} ANTHROPIC_API_KEY=${apiKey}   # any official SDK\n\n`);
}

async function hello(baseUrl: string, apiKey: string): Promise<void> {
  const out = process.stdout;
  try {
    const { playHello } = await import("./hello.ts");
    await playHello({ baseUrl, apiKey, out });
  } catch (error) {
    out.write(`The hello session did not work: ${explain(error)}\n`);
  }
  out.write("\n");
}
