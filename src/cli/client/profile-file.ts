import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, isAbsolute, join } from "node:path";
import { z } from "zod";
import { exits, Failure } from "../exits.ts";
import { homeFolder } from "../home-folder.ts";
import { isServerUrl } from "../server-url.ts";

/** Servers by name, with their keys. The file is its owner's alone, and is replaced whole. */

export const profileName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

const profile = z.strictObject({
  base_url: z.string().refine(isServerUrl, "must be an http or https URL"),
  /** Null: DROVER_API_KEY, or the key of the server on this machine. */
  api_key: z.string().nullable(),
});
export type Profile = z.infer<typeof profile>;

const profiles = z.strictObject({
  /** The one that commands take that name none. */
  used: z.string().nullable(),
  profiles: z.record(z.string().regex(profileName), profile),
});
export type Profiles = z.infer<typeof profiles>;

export function profileFile(env: NodeJS.ProcessEnv = process.env): string {
  const { XDG_CONFIG_HOME: config } = env;
  return join(config && isAbsolute(config) ? config : join(homeFolder(), ".config"), "drover/profiles.json");
}

export function readProfiles(file = profileFile()): Profiles {
  let text: string;
  try {
    if (statSync(file).mode & 0o077)
      throw new Failure(`${file} can be read by others: chmod 600 ${file}`, exits.usage);
    text = readFileSync(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return { used: null, profiles: {} };
    throw error;
  }
  const read = profiles.safeParse(parsed(text));
  if (read.success) return read.data;
  throw new Failure(`${file} is no file of profiles: mend it, or remove it and set them anew`, exits.usage);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function writeProfiles(all: Profiles, file = profileFile()): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const fresh = `${file}.${process.pid}`;
  try {
    writeFileSync(fresh, `${JSON.stringify(all, null, 2)}\n`, { mode: 0o600, flag: "wx" });
    chmodSync(fresh, 0o600);
    renameSync(fresh, file);
  } finally {
    rmSync(fresh, { force: true });
  }
}

/** The profile of that name, or what to do to have it. */
export function profileNamed(name: string, all: Profiles): Profile {
  const found = Object.hasOwn(all.profiles, name) ? all.profiles[name] : undefined;
  if (found) return found;
  throw new Failure(
    `there is no profile ${JSON.stringify(name)}: drover profiles set makes one, drover profiles ls shows them`,
    exits.not_found,
  );
}
