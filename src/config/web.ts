import { isIP } from "node:net";
import { z } from "zod";
import { isReady, type ModelsConfig, type ProviderType, resolveModel } from "./models.ts";

/** What the configuration says of the web: who searches it for agents, and what their requests may reach. */

export type SearchSettings =
  | { provider: "searxng"; url: string }
  | { provider: "brave"; key: string; url: string }
  /** The search of a model vendor: the model that is asked to search, by an id as agents have it. */
  | { provider: "vendor"; model: string };

/** Who has a search of their own, and the small model that is asked for it. */
const searchModels: Partial<Record<ProviderType, string>> = {
  anthropic: "claude-haiku-5-5",
  openai: "gpt-5.4-mini",
  google: "gemini-3.5-flash-lite",
};

export const canSearch = (type: ProviderType): boolean => searchModels[type] !== undefined;

const text = z.string("must be a text").min(1, "must not be empty");

export const hostEntry = text.refine(
  isHostEntry,
  "must be a host name, an address or a subnet such as 10.1.0.0/16",
);

/** A name, an address, or a subnet such as 10.1.0.0/16. */
export function isHostEntry(entry: string): boolean {
  const [, net = "", bits] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(entry) ?? [];
  const family = isIP(net);
  if (family === 0) return bits === undefined && isHostName(net);
  if (net.includes("%")) return false;
  return bits === undefined || Number(bits) <= (family === 4 ? 32 : 128);
}

/** What ends in a number, or has nothing else, is an address that was miswritten. */
const isHostName = (name: string): boolean =>
  /^[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_-])?$/i.test(name) && !/(^|\.)([\d-]+|0x[0-9a-f]*)$/i.test(name);

export const webShape = z.strictObject({
  search: z
    .strictObject({
      provider: text.optional(),
      url: z.url({ protocol: /^https?$/, error: "must be an http or https URL" }).optional(),
      key: text.optional(),
      key_env: z
        .string("must be the name of an environment variable")
        .regex(/^[A-Za-z_]\w*$/, "must be the name of an environment variable")
        .optional(),
      model: text.optional(),
    })
    .refine(({ key, key_env }) => key === undefined || key_env === undefined, {
      path: ["key_env"],
      error: "must not be set together with key",
    })
    .optional(),
  allow_private_hosts: z.array(hostEntry).optional(),
});
export type WebFile = z.infer<typeof webShape>;

type Env = Record<string, string | undefined>;
type Setting = "provider" | "url" | "key" | "model";
type Said = Partial<Record<Setting, string>>;

const variables = {
  provider: "DROVER_SEARCH",
  url: "DROVER_SEARCH_URL",
  key: "DROVER_SEARCH_KEY",
  model: "DROVER_SEARCH_MODEL",
} as const;

const brave_url = "https://api.search.brave.com/";

/**
 * Who searches; null: nobody. Each variable holds before what the file says, and one that names another provider than the
 * file leaves all of it aside. Problems name the setting.
 */
export function searchSettings(
  env: Env,
  { search: file = {} }: WebFile,
  models: ModelsConfig,
): { search: SearchSettings | null; problems: string[] } {
  const aside = env.DROVER_SEARCH !== undefined && env.DROVER_SEARCH !== file.provider;
  const { key_env, ...inFile } = aside ? {} : file;
  const said: Said = {
    ...inFile,
    ...(key_env === undefined ? {} : { key: env[key_env] }),
    ...Object.fromEntries(
      Object.entries(variables).flatMap(([setting, name]) =>
        env[name] === undefined ? [] : [[setting, env[name]]],
      ),
    ),
  };
  const problems: string[] = [];
  const problem = (setting: Setting, what: string) => {
    const isInFile = env[variables[setting]] === undefined && Object.keys(inFile).length > 0;
    problems.push(`${isInFile ? `web.search.${setting}` : variables[setting]}: ${what}`);
    return null;
  };
  return { search: searchOf(said, models, problem), problems };
}

function searchOf(
  { provider, url, key, model }: Said,
  models: ModelsConfig,
  problem: (setting: Setting, what: string) => null,
): SearchSettings | null {
  if (provider === "searxng" || provider === "brave") {
    if (model !== undefined) return problem("model", `is of no use with ${provider}`);
    if (provider === "brave") {
      if (key === undefined) return problem("key", "Brave needs an API key");
      return { provider, url: url ?? brave_url, key };
    }
    if (url === undefined) return problem("url", "say where your SearXNG is");
    return { provider, url };
  }
  if (provider === undefined && model === undefined) {
    const stray = (url ?? key) !== undefined;
    return stray
      ? problem("provider", "say which provider the URL and the key are of, searxng or brave")
      : null;
  }
  return vendorOf({ provider, url, key, model }, models, problem);
}

function vendorOf(
  { provider: name, url, key, model }: Said,
  models: ModelsConfig,
  problem: (setting: Setting, what: string) => null,
): SearchSettings | null {
  const resolved = model === undefined ? null : resolveModel(model, models);
  const naming = model === undefined ? "provider" : "model";
  if (model !== undefined && resolved === null)
    return problem("model", `"${model}" is no model's id: use "<provider>/<model>"`);
  const provider = models.providers.get(resolved?.provider ?? name ?? "");
  const choice = `searxng, brave, or a provider of models of the type ${Object.keys(searchModels).join(", ")}`;
  if (!provider)
    return problem(naming, model === undefined ? `must be ${choice}` : `"${model}" cannot search the web`);
  if (name !== undefined && name !== provider.name)
    return problem("model", `is a model of ${provider.name}, and the search is to be that of ${name}`);
  const small = searchModels[provider.type];
  if (small === undefined)
    return problem(
      naming,
      `${provider.name} is of the type ${provider.type}, which cannot search the web: use ${choice}`,
    );
  if (!isReady(provider)) return problem(naming, `needs ${provider.key_from}`);
  for (const [setting, value] of [
    ["url", url],
    ["key", key],
  ] as const) {
    if (value !== undefined)
      return problem(
        setting,
        `is of searxng and brave; for ${provider.name} see models.providers.${provider.name}`,
      );
  }
  return { provider: "vendor", model: model ?? `${provider.name}/${small}` };
}
