import { exits, Failure } from "../exits.ts";
import { serverUrlFault } from "../server-url.ts";
import type { Profile } from "./profile-file.ts";

/** Which server a command asks, as its options say. */
export interface At {
  baseUrl?: string;
  profile?: string;
}

export interface Place {
  url: string;
  api_key: string;
}

/**
 * An address and the key that belongs to it: no key goes to a server that it was not given for. The first of these says the
 * address: --base-url, --profile, DROVER_BASE_URL, DROVER_PROFILE, the profile in use, the server on this machine.
 */
export async function placeOf(at: At, env: NodeJS.ProcessEnv = process.env): Promise<Place> {
  const asked = at.baseUrl ?? (at.profile === undefined ? baseUrlIn(env) : undefined);
  const set = env.DROVER_API_KEY || null;
  if (asked !== undefined) return keyed(asked, set ?? (await keyFor(asked)));
  const found = await profileFor(at.profile ?? env.DROVER_PROFILE);
  if (found) return keyed(found.base_url, found.api_key ?? set ?? (await keyOfThisMachine(found.base_url)));
  const { serverUrlOrExit } = await import("../machine.ts");
  const url = serverUrlOrExit(env);
  return keyed(url, set ?? (await keyOfThisMachine(url)));
}

function keyed(url: string, api_key: string | null): Place {
  if (api_key) return { url, api_key };
  throw new Failure(
    `No API key for ${url}: set DROVER_API_KEY, or keep it with drover profiles set. \`drover up\` prints it.`,
    exits.usage,
  );
}

function baseUrlIn({ DROVER_BASE_URL: url }: NodeJS.ProcessEnv): string | undefined {
  const fault = url ? serverUrlFault(url) : null;
  if (fault === null) return url || undefined;
  throw new Failure(`DROVER_BASE_URL: ${fault}`, exits.usage);
}

async function profileFor(name: string | undefined): Promise<Profile | null> {
  const { profileNamed, readProfiles } = await import("./profile-file.ts");
  const all = readProfiles();
  const chosen = name || all.used;
  return chosen ? profileNamed(chosen, all) : null;
}

/** That of a profile with this address, else of this machine's server, if this is it. */
async function keyFor(url: string): Promise<string | null> {
  const { readProfiles } = await import("./profile-file.ts");
  const same = Object.values(readProfiles().profiles).find((each) => isSame(each.base_url, url));
  return same?.api_key ?? (await keyOfThisMachine(url));
}

async function keyOfThisMachine(url: string): Promise<string | null> {
  const { configOrExit, readApiKey } = await import("../machine.ts");
  const config = configOrExit();
  const own = ["127.0.0.1", "localhost", "[::1]"].some((host) =>
    isSame(url, `http://${host}:${config.port}`),
  );
  return own ? (config.api_key ?? readApiKey(config.data_dir) ?? null) : null;
}

const isSame = (a: string, b: string): boolean =>
  new URL(a).href.replace(/\/+$/, "") === new URL(b).href.replace(/\/+$/, "");
