import { z } from "zod";

/** What the configuration says of models: who serves them, under which names, and who steps in. */

/** Vendors whose key and address can be given by environment variables alone, under the provider's name. */
export const vendorTypes = ["anthropic", "openai", "google", "mistral"] as const;
const types = [...vendorTypes, "openai-compatible", "bedrock", "vertex", "foundry"] as const;
export type ProviderType = (typeof types)[number];

/** Shown where a provider is named, so nothing that is secret may stand in it. */
export const providerUrl = z
  .url({ protocol: /^https?$/, error: "must be an http or https URL" })
  .refine((text) => {
    // What is no URL has been named as that already.
    if (!URL.canParse(text)) return true;
    const { username, password, search, hash } = new URL(text);
    return [username, password, search, hash].every((part) => part === "");
  }, "must be without a user, a query and a fragment");
/** As it can stand in a header. */
export const providerKey = z
  .string("must be a text")
  .regex(/^[\x21-\x7e]+$/, "must be printable characters without spaces");
const word = z.string().regex(/^[a-zA-Z0-9][a-zA-Z0-9._-]*$/, "must be letters, digits, dots and dashes");
const count = z
  .int("must be a whole number")
  .min(1, "must be at least 1")
  .max(100_000, "must be at most 100000");

const common = {
  base_url: providerUrl.optional(),
  api_key: providerKey.optional(),
  api_key_env: z
    .string("must be the name of an environment variable")
    .regex(/^[A-Za-z_]\w*$/, "must be the name of an environment variable")
    .optional(),
  max_concurrency: count.optional(),
  requests_per_minute: count.optional(),
};

const providerShape = z
  .discriminatedUnion(
    "type",
    [
      z.strictObject({ type: z.enum(vendorTypes), ...common }),
      z.strictObject({ type: z.literal("openai-compatible"), ...common, base_url: providerUrl }),
      z.strictObject({ type: z.literal("bedrock"), ...common, region: word }),
      z.strictObject({ type: z.literal("vertex"), ...common, region: word, project: word }),
      z.strictObject({ type: z.literal("foundry"), ...common, resource: word }),
    ],
    `must be one of ${types.join(", ")}`,
  )
  .refine(({ api_key, api_key_env }) => api_key === undefined || api_key_env === undefined, {
    path: ["api_key_env"],
    error: "must not be set together with api_key",
  });

const providerName = z
  .string()
  .regex(/^[a-z][a-z0-9_-]{0,62}$/, "must be lower-case letters, digits, dashes and underscores")
  .refine((name) => name !== "simulated", "is the name of the built-in provider");

const modelId = z.string("must be a model's id").min(1, "must not be empty").max(256, "is too long");

export const modelsShape = z.strictObject({
  providers: z.record(providerName, providerShape).optional(),
  aliases: z.record(modelId, modelId).optional(),
  fallbacks: z.record(modelId, z.array(modelId).max(10, "must be at most 10")).optional(),
  context_windows: z
    .record(
      modelId,
      z
        .int("must be a whole number of tokens")
        .min(1_000, "must be at least 1000 tokens")
        .max(1_000_000_000, "must be at most a billion tokens"),
    )
    .optional(),
  judge: modelId.optional(),
});
export type ModelsFile = z.infer<typeof modelsShape>;

export interface ProviderConfig {
  name: string;
  type: ProviderType;
  /** Null: the vendor's own. */
  base_url: string | null;
  /** Null: none is given; `key_from` says where it is looked for, or is null too where none is needed. */
  api_key: string | null;
  key_from: string | null;
  max_concurrency: number | null;
  requests_per_minute: number | null;
  region: string | null;
  project: string | null;
  resource: string | null;
}

/** Whether the provider can be asked: its key is there, or it needs none. */
export const isReady = ({ api_key, key_from }: ProviderConfig): boolean =>
  api_key !== null || key_from === null;

export interface ModelsConfig {
  /** By their names. */
  providers: Map<string, ProviderConfig>;
  /** What stands for another model's id. */
  aliases: Map<string, string>;
  /** Who is asked, in this order, when the provider of a model is down. */
  fallbacks: Map<string, string[]>;
  /** What models can take in, in tokens, where that is not what is known of them. */
  context_windows: Map<string, number>;
  /** Judges the calls of every agent but those on the simulated model. Null: a small one of the provider. */
  judge: string | null;
}

type Env = Record<string, string | undefined>;

/** `env` holds what is set, empty values left out. Problems name the setting. */
export function modelsConfig(env: Env, file: ModelsFile = {}): { config: ModelsConfig; problems: string[] } {
  const { aliases = {}, fallbacks = {}, context_windows = {} } = file;
  const given = Object.entries(file.providers ?? {}).map(([name, provider]) =>
    providerOf(name, provider, env),
  );
  const implied = vendorTypes
    .filter((name) => file.providers?.[name] === undefined)
    .map((name) => providerOf(name, { type: name }, env));
  const config: ModelsConfig = {
    providers: new Map([...implied, ...given].map((provider) => [provider.name, provider])),
    aliases: new Map(Object.entries(aliases)),
    fallbacks: new Map(Object.entries(fallbacks)),
    context_windows: new Map(Object.entries(context_windows)),
    judge: file.judge ?? null,
  };
  const targets: [string, string][] = [
    ...Object.entries(aliases).map(([alias, id]): [string, string] => [`models.aliases.${alias}`, id]),
    ...Object.entries(fallbacks).flatMap(([id, others]) => [
      [`models.fallbacks.${id}`, id] as [string, string],
      ...others.map((other, i): [string, string] => [`models.fallbacks.${id}.${i}`, other]),
    ]),
    ...Object.keys(context_windows).map((id): [string, string] => [`models.context_windows.${id}`, id]),
    ...(file.judge === undefined ? [] : [["models.judge", file.judge] as [string, string]]),
  ];
  const problems = [
    ...given.flatMap(keyProblems),
    ...targets.flatMap(([path, id]) => targetProblems(path, id, config)),
  ];
  return { config, problems };
}

/** Of a key that an environment variable holds; one in the file was looked at there. */
function keyProblems({ api_key, key_from }: ProviderConfig): string[] {
  const wrong = api_key === null ? undefined : providerKey.safeParse(api_key).error?.issues[0];
  return wrong ? [`${key_from}: ${wrong.message}`] : [];
}

function targetProblems(path: string, id: string, config: ModelsConfig): string[] {
  if (namesOf(id, config).length > config.aliases.size + 1) return [`${path}: leads back to itself`];
  if (resolveModel(id, config) !== null) return [];
  return [`${path}: "${id}" is no model's id: use "<provider>/<model>" with one of ${listOf(config)}`];
}

const listOf = ({ providers }: ModelsConfig) => [...providers.keys(), "simulated"].join(", ");

function providerOf(
  name: string,
  provider: NonNullable<ModelsFile["providers"]>[string],
  env: Env,
): ProviderConfig {
  const { type, base_url, api_key, api_key_env } = provider;
  const isVendor = vendorTypes.some((vendor) => vendor === name && vendor === type);
  const prefix = `DROVER_${name.toUpperCase()}`;
  const variable = api_key_env ?? (isVendor ? `${prefix}_API_KEY` : null);
  const needed = (type !== "openai-compatible" && type !== "vertex") || api_key_env !== undefined;
  return {
    name,
    type,
    base_url: base_url ?? (isVendor ? env[`${prefix}_BASE_URL`] : undefined) ?? null,
    api_key: api_key ?? (variable === null ? null : (env[variable] ?? null)),
    key_from: needed ? (variable ?? `models.providers.${name}.api_key`) : null,
    max_concurrency: provider.max_concurrency ?? null,
    requests_per_minute: provider.requests_per_minute ?? null,
    region: "region" in provider ? provider.region : null,
    project: "project" in provider ? provider.project : null,
    resource: "resource" in provider ? provider.resource : null,
  };
}

/** Where a model's id leads: which provider is asked, and for what. */
export interface ResolvedModel {
  provider: string;
  model: string;
}

type Names = Pick<ModelsConfig, "aliases">;

/** Null: no provider is known for it. */
export function resolveModel(
  id: string,
  config: Names & Pick<ModelsConfig, "providers">,
): ResolvedModel | null {
  const name = namesOf(id, config).at(-1) ?? id;
  if (name === "simulated" || name.startsWith("simulated/")) return { provider: "simulated", model: name };
  if (name.startsWith("claude-")) return { provider: "anthropic", model: name };
  const [, provider = "", model = ""] = /^([^/]+)\/(.+)$/s.exec(name) ?? [];
  return config.providers.has(provider) ? { provider, model } : null;
}

/** The id, and what it stands for, one after another. Longer than all aliases together where they lead in a circle. */
export function namesOf(id: string, { aliases }: Names): string[] {
  const names = [id];
  for (let next = aliases.get(id); next !== undefined; next = aliases.get(next)) {
    names.push(next);
    if (names.length > aliases.size + 1) break;
  }
  return names;
}
