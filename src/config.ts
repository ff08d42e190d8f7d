import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";
import { z } from "zod";
import { type DriverSettings, driverSettings, driverVariables } from "./config/driver.ts";
import {
  type EgressLink,
  type EgressProxy,
  egressLink,
  egressSettings,
  egressVariables,
} from "./config/egress.ts";
import { type ConfigFile, parseConfigFile } from "./config/file.ts";
import { type FilesSettings, filesSettings, filesVariables, ownFileStore } from "./config/files.ts";
import { type HandsSettings, handsSettings, handsVariables, parseHostAndPort } from "./config/hands.ts";
import { type MasterKeySettings, masterKeySettings, masterKeyVariables } from "./config/master-key.ts";
import { type McpSettings, mcpSettings } from "./config/mcp.ts";
import {
  isReady,
  type ModelsConfig,
  modelsConfig,
  providerKey,
  providerUrl,
  resolveModel,
} from "./config/models.ts";
import { type RepositoriesSettings, repositoriesSettings } from "./config/repositories.ts";
import { type SandboxSettings, sandboxesVariables, sandboxSettings } from "./config/sandboxes.ts";
import { type Setting, settingsOf } from "./config/settings.ts";
import { isHostEntry, type SearchSettings, searchSettings } from "./config/web.ts";
import { limits } from "./limits.ts";

/** Keys that Drover makes begin like this, so that one is never taken for a key of somebody else's. */
export const ownKeyPrefix = "drover-key-";

export const apiKeyShape = /^[\x21-\x7e]{16,200}$/;

/** US dollars, to the cent or finer. */
const dollars = z
  .string()
  .regex(/^\d{1,7}(\.\d{1,9})?$/, "must be an amount of US dollars such as 25 or 0.50")
  .transform(Number);

const httpUrl = providerUrl.optional();
const key = providerKey.optional();
const hostEntries = z
  .string()
  .transform((text) => text.split(/[\s,]+/).filter((entry) => entry !== ""))
  .refine(
    (entries) => entries.every(isHostEntry),
    "must be host names, addresses or subnets such as 10.1.0.0/16, separated by commas",
  );

export const loopback = /^(127(\.\d{1,3}){3}|localhost|::1)$/;

const shape = {
  DROVER_PORT: z.coerce
    .number("must be a port from 1 to 65535")
    .int("must be a port from 1 to 65535")
    .min(1, "must be a port from 1 to 65535")
    .max(65_535, "must be a port from 1 to 65535")
    .default(8400),
  DROVER_HOST: z.string().min(1).default("127.0.0.1"),
  DROVER_DATA_DIR: z.string().refine(isAbsolute, "must be an absolute path").optional(),
  DROVER_API_KEY: z
    .string()
    .regex(apiKeyShape, "must be 16 to 200 printable characters without spaces")
    .optional(),
  // Not a URL to the letter: one for a unix socket has no host.
  DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\/\S+$/, "must be a postgresql:// URL")
    .optional(),
  DROVER_CONFIG: z.string().refine(isAbsolute, "must be an absolute path").optional(),
  DROVER_ANTHROPIC_API_KEY: key,
  DROVER_ANTHROPIC_BASE_URL: httpUrl,
  DROVER_OPENAI_API_KEY: key,
  DROVER_OPENAI_BASE_URL: httpUrl,
  DROVER_GOOGLE_API_KEY: key,
  DROVER_GOOGLE_BASE_URL: httpUrl,
  DROVER_MISTRAL_API_KEY: key,
  DROVER_MISTRAL_BASE_URL: httpUrl,
  DROVER_JUDGE_MODEL: z.string().optional(),
  DROVER_PRICES: z.string().refine(isAbsolute, "must be an absolute path").optional(),
  DROVER_RUNTIME_PRICE: dollars.default(0),
  DROVER_CAP_PER_AGENT: dollars.optional(),
  DROVER_CAP_PER_AGENT_DAY: dollars.optional(),
  DROVER_CAP_PER_WORKSPACE: dollars.optional(),
  DROVER_CAP_PER_WORKSPACE_DAY: dollars.optional(),
  DROVER_ALLOW_PRIVATE_HOSTS: hostEntries.optional(),
  DROVER_SEARCH: z.string().optional(),
  DROVER_SEARCH_URL: z.url({ protocol: /^https?$/, error: "must be an http or https URL" }).optional(),
  DROVER_SEARCH_KEY: z.string().min(1).optional(),
  DROVER_SEARCH_MODEL: z.string().optional(),
  DROVER_STORAGE: z.string().refine(isAbsolute, "must be an absolute path").optional(),
  DROVER_WORKSPACE_DAYS: z.coerce
    .number("must be a whole number of days from 1 to 3650")
    .int("must be a whole number of days from 1 to 3650")
    .min(1, "must be a whole number of days from 1 to 3650")
    .max(3650, "must be a whole number of days from 1 to 3650")
    .default(30),
  DROVER_WORK_LEASE: z.coerce
    .number("must be a whole number of seconds from 5 to 600")
    .int("must be a whole number of seconds from 5 to 600")
    .min(5, "must be a whole number of seconds from 5 to 600")
    .max(600, "must be a whole number of seconds from 5 to 600")
    .default(limits.work_lease_ms / 1_000),
  DROVER_METRICS: z
    .string()
    .transform(parseHostAndPort)
    .refine((address) => address !== null, "must be host:port, such as 127.0.0.1:9464")
    .optional(),
  ...filesVariables,
  ...masterKeyVariables,
  ...handsVariables,
  ...driverVariables,
  ...sandboxesVariables,
  ...egressVariables,
  DROVER_LOG: z
    .enum(
      ["trace", "debug", "info", "warn", "error", "silent"],
      "must be one of trace, debug, info, warn, error, silent",
    )
    .default("info"),
  DROVER_HELLO: z.enum(["0", "1"], "must be 0 or 1").default("1"),
  DROVER_CONSOLE_BUILD: z.enum(["0", "1"], "must be 0 or 1").default("1"),
};

/** The settings of the server, and those that the command line alone reads. */
const known = [
  ...Object.keys(shape),
  "DROVER_BASE_URL",
  "DROVER_PROFILE",
  "DROVER_MODEL",
  "DROVER_ENVIRONMENT_KEY",
];
/** Tests say by it where their PostgreSQL is. */
const ofTests = "DROVER_TEST_POSTGRES";

export interface Config {
  port: number;
  host: string;
  data_dir: string;
  /** Where sockets lie: short, for their paths end at 107 bytes. */
  runtime_dir: string;
  /** Null: one is made, and kept in the data directory. */
  api_key: string | null;
  /** Null: the embedded server. */
  database_url: string | null;
  models: ModelsConfig;
  /** A file of list prices to use instead of the built-in ones. */
  prices_file: string | null;
  /** What an hour of a running session costs, in US dollars. */
  runtime_price: number;
  caps: Caps;
  /** What agents' web requests and programs in sandboxes may reach beside public addresses. */
  allow_private_hosts: string[];
  /** Null: agents cannot search the web. */
  search: SearchSettings | null;
  mcp: McpSettings;
  /** Where checkpoints of workspaces lie: the same folder for every host. */
  storage: string;
  /** How long a workspace is kept, in days from when its session first used it. */
  workspace_days: number;
  files: FilesSettings;
  master_key: MasterKeySettings;
  repositories: RepositoriesSettings;
  /** After so long without a heartbeat a worker of a self-hosted environment has lost its work. */
  work_lease_ms: number;
  hands: HandsSettings;
  /** Of the sandboxes of this machine. */
  driver: DriverSettings;
  sandboxes: SandboxSettings;
  /** What `drover egress` goes through; null: nothing. */
  egress_proxy: EgressProxy | null;
  egress_link: EgressLink;
  /** Where `serve` answers Prometheus; null: nowhere. */
  metrics: { host: string; port: number } | null;
  log_level: z.infer<typeof shape.DROVER_LOG>;
  hello: boolean;
  /** Whether `up` builds the console where it is missing or of another version. */
  console_build: boolean;
}

/** The most that may be spent at list prices, in US dollars; null is no cap. A day is one of UTC. */
export interface Caps {
  per_agent: number | null;
  per_agent_day: number | null;
  per_workspace: number | null;
  per_workspace_day: number | null;
}

export const noCaps: Caps = {
  per_agent: null,
  per_agent_day: null,
  per_workspace: null,
  per_workspace_day: null,
};

export interface Machine {
  uid: number;
  home: string;
}

/** The settings by name, for people: valid ones, without secrets. */
export function shownSettings(
  env: NodeJS.ProcessEnv,
  readFile: (path: string) => string = (path) => readFileSync(path, "utf8"),
): Setting[] {
  const file = fileOf(env.DROVER_CONFIG || undefined, readFile, []);
  return settingsOf(Object.keys(shape), env, Object.keys(file));
}

/** All that is wrong at once, so that it can be mended at once. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly problems: string[];
  constructor(problems: string[]) {
    super(`The settings are not valid:\n${problems.map((problem) => `  ${problem}`).join("\n")}`);
    this.problems = problems;
  }
}

/** The settings, from environment variables and the file that one of them names. */
export function readConfig(
  env: NodeJS.ProcessEnv,
  machine: Machine,
  readFile: (path: string) => string = (path) => readFileSync(path, "utf8"),
): Config {
  const set: NodeJS.ProcessEnv = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ""));
  const given: NodeJS.ProcessEnv = Object.fromEntries(
    Object.entries(set).filter(([name]) => name in shape || name.startsWith("DROVER_")),
  );
  const parsed = z.object(shape).safeParse(given);
  const problems: string[] = [];
  const file = fileOf(parsed.data?.DROVER_CONFIG, readFile, problems);
  const passed = new Set([
    ...Object.values(file.models?.providers ?? {}).map(({ api_key_env }) => api_key_env),
    file.web?.search?.key_env,
  ]);
  for (const name of Object.keys(given)) {
    if (!known.includes(name) && name !== ofTests && !passed.has(name))
      problems.push(`${name}: is not a setting; did you mean ${nearest(name)}?`);
  }
  for (const issue of parsed.error?.issues ?? []) problems.push(`${issue.path.join(".")}: ${issue.message}`);
  const { DROVER_HOST: host, DROVER_API_KEY: apiKey } = given;
  if (host !== undefined && !loopback.test(host) && apiKey === undefined) {
    problems.push(`DROVER_HOST: ${host} can be reached by others, so DROVER_API_KEY must be set explicitly`);
  }
  const { DROVER_METRICS: metrics, DROVER_PORT: ownPort, DROVER_HOST: ownHost } = parsed.data ?? {};
  if (metrics && metrics.port === ownPort && metrics.host === ownHost)
    problems.push(
      "DROVER_METRICS: is the address of the API (DROVER_HOST, DROVER_PORT): give it another port",
    );
  const models = modelsOf(set, file, problems);
  const { search, problems: ofSearch } = searchSettings(set, file.web ?? {}, models);
  problems.push(...ofSearch.map((problem) => inFile(problem, set)));
  const { hands, problems: ofHands } = handsSettings(parsed.data ?? {}, file.hands ?? {});
  problems.push(...ofHands.map((problem) => inFile(problem, set)));
  const { egress_proxy, problems: ofEgress } = egressSettings(parsed.data ?? {}, file.egress ?? {});
  problems.push(...ofEgress.map((problem) => inFile(problem, set)));
  const { egress_link, problems: ofLink } = egressLink(parsed.data ?? {}, file.egress ?? {});
  problems.push(...ofLink.map((problem) => inFile(problem, set)));
  const dataDir = resolve(parsed.data?.DROVER_DATA_DIR ?? defaultDataDir(env, machine));
  const { files, problems: ofFiles } = filesSettings(parsed.data ?? {}, join(dataDir, ownFileStore));
  problems.push(...ofFiles);
  const { master_key, problems: ofMasterKey } = masterKeySettings(parsed.data ?? {}, dataDir);
  problems.push(...ofMasterKey);
  const { sandboxes, problems: ofSandboxes } = sandboxSettings(parsed.data ?? {}, file.sandboxes ?? {});
  problems.push(...ofSandboxes.map((problem) => inFile(problem, set)));
  if (!parsed.success || problems.length > 0) throw new ConfigError(problems);
  const values = parsed.data;
  return {
    port: values.DROVER_PORT,
    host: values.DROVER_HOST,
    data_dir: dataDir,
    runtime_dir: runtimeDir(dataDir, env, machine),
    api_key: values.DROVER_API_KEY ?? null,
    database_url: values.DATABASE_URL ?? null,
    models,
    prices_file: values.DROVER_PRICES ?? null,
    runtime_price: values.DROVER_RUNTIME_PRICE,
    caps: {
      per_agent: values.DROVER_CAP_PER_AGENT ?? null,
      per_agent_day: values.DROVER_CAP_PER_AGENT_DAY ?? null,
      per_workspace: values.DROVER_CAP_PER_WORKSPACE ?? null,
      per_workspace_day: values.DROVER_CAP_PER_WORKSPACE_DAY ?? null,
    },
    allow_private_hosts: values.DROVER_ALLOW_PRIVATE_HOSTS ?? file.web?.allow_private_hosts ?? [],
    search,
    mcp: mcpSettings(file.mcp ?? {}),
    storage: resolve(values.DROVER_STORAGE ?? join(dataDir, "storage")),
    workspace_days: values.DROVER_WORKSPACE_DAYS,
    files,
    master_key,
    repositories: repositoriesSettings(file.repositories ?? {}, dataDir),
    work_lease_ms: values.DROVER_WORK_LEASE * 1_000,
    hands,
    driver: driverSettings(values, file.hands ?? {}),
    sandboxes,
    egress_proxy,
    egress_link,
    metrics: values.DROVER_METRICS ?? null,
    log_level: values.DROVER_LOG,
    hello: values.DROVER_HELLO === "1",
    console_build: values.DROVER_CONSOLE_BUILD === "1",
  };
}

function fileOf(
  path: string | undefined,
  readFile: (path: string) => string,
  problems: string[],
): ConfigFile {
  if (path === undefined) return {};
  let text = "";
  try {
    text = readFile(path);
  } catch (error) {
    problems.push(`DROVER_CONFIG: ${path} cannot be read: ${(error as Error).message}`);
    return {};
  }
  const read = parseConfigFile(text);
  if ("file" in read) return read.file;
  problems.push(...read.problems.map((problem) => `${path}: ${problem}`));
  return {};
}

/** A setting of the file is named with it. */
const inFile = (problem: string, { DROVER_CONFIG: path }: NodeJS.ProcessEnv): string =>
  problem.startsWith("DROVER_") ? problem : `${path}: ${problem}`;

/**
 * Users point ANTHROPIC_API_KEY at Drover itself in the shell that starts it: a key of ours is never sent upstream.
 */
function modelsOf(env: NodeJS.ProcessEnv, file: ConfigFile, problems: string[]): ModelsConfig {
  const { DROVER_API_KEY: ours, ANTHROPIC_API_KEY: shared, DROVER_JUDGE_MODEL: judge } = env;
  const isOurs = (value: string) => value === ours || value.startsWith(ownKeyPrefix);
  const borrowed = shared === undefined || isOurs(shared) ? {} : { DROVER_ANTHROPIC_API_KEY: shared };
  const read = modelsConfig({ ...borrowed, ...env }, file.models);
  problems.push(...read.problems.map((problem) => `${env.DROVER_CONFIG}: ${problem}`));
  const config = { ...read.config, judge: judge ?? read.config.judge };
  for (const { api_key, key_from, name } of config.providers.values()) {
    if (api_key !== null && isOurs(api_key))
      problems.push(
        `${key_from ?? `models.providers.${name}.api_key`}: is a key of this server, not one of a provider`,
      );
  }
  if (config.judge !== null) problems.push(...judgeProblems(config.judge, config, judge === undefined));
  return config;
}

/** Not the simulated one: calls tell it what to say of them. */
function judgeProblems(judge: string, config: ModelsConfig, inFile: boolean): string[] {
  const setting = inFile ? "models.judge" : "DROVER_JUDGE_MODEL";
  const resolved = resolveModel(judge, config);
  const provider = config.providers.get(resolved?.provider ?? "");
  if (!provider)
    return [`${setting}: must be "claude-..." or "<provider>/<model>", and not the simulated model`];
  return isReady(provider) ? [] : [`${setting}: needs ${provider.key_from}`];
}

function defaultDataDir(env: NodeJS.ProcessEnv, { uid, home }: Machine): string {
  if (uid === 0) return "/var/lib/drover";
  const data =
    env.XDG_DATA_HOME && isAbsolute(env.XDG_DATA_HOME) ? env.XDG_DATA_HOME : join(home, ".local/share");
  return join(data, "drover");
}

/** One for each data directory. */
function runtimeDir(dataDir: string, env: NodeJS.ProcessEnv, { uid }: Machine): string {
  const name = createHash("sha256").update(dataDir).digest("hex").slice(0, 8);
  if (uid === 0) return `/run/drover/${name}`;
  const base = env.XDG_RUNTIME_DIR;
  return base && isAbsolute(base) && base.length < 60
    ? `${base}/drover-${name}`
    : `/tmp/drover-${uid}-${name}`;
}

/** The setting whose name differs least. */
function nearest(name: string): string {
  const byDistance = known.toSorted((a, b) => distance(name, a) - distance(name, b));
  return byDistance[0] ?? "";
}

/** Levenshtein's. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, replaced));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
