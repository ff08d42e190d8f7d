import { z } from "zod";

/** Package managers whose registry can be another one. That of apt is what the host's own apt has. */
const managers = ["cargo", "gem", "go", "npm", "pip"] as const;
type Manager = (typeof managers)[number];

/** Where packages of environments are installed from, in place of the registries that everybody uses. */
export type Mirrors = Partial<Record<Manager, string>>;

const problem =
  "must be an http or https URL without user and password, which the code of packages could read";

const url = z.string().refine(isMirror, problem).optional();

export const mirrorsShape = z.strictObject({ cargo: url, gem: url, go: url, npm: url, pip: url });

export const mirrorsVariables = {
  DROVER_MIRROR_CARGO: url,
  DROVER_MIRROR_GEM: url,
  DROVER_MIRROR_GO: url,
  DROVER_MIRROR_NPM: url,
  DROVER_MIRROR_PIP: url,
};
type MirrorsVariables = z.infer<z.ZodObject<typeof mirrorsVariables>>;

const variableOf = (manager: Manager) =>
  `DROVER_MIRROR_${manager.toUpperCase()}` as keyof MirrorsVariables & string;

/** The variables hold before what the file says. */
export function mirrorsOf(env: MirrorsVariables, file: z.infer<typeof mirrorsShape>): Mirrors {
  const found = managers.flatMap((manager) => {
    const mirror = env[variableOf(manager)] ?? file[manager];
    return mirror === undefined ? [] : [[manager, mirror] as const];
  });
  return Object.fromEntries(found);
}

export const hostsOfMirrors = (mirrors: Mirrors): string[] =>
  Object.values(mirrors).map((mirror) => new URL(mirror).hostname);

/** The variables that say so to another process of the server. */
export const mirrorsEnvironment = (mirrors: Mirrors): NodeJS.ProcessEnv =>
  Object.fromEntries(
    managers.flatMap((manager) => (mirrors[manager] ? [[variableOf(manager), mirrors[manager]]] : [])),
  );

function isMirror(text: string): boolean {
  if (!/^https?:\/\//.test(text) || !URL.canParse(text)) return false;
  const { username, password } = new URL(text);
  return username === "" && password === "";
}
