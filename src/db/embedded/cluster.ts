import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import type { Binaries } from "./binaries.ts";
import type { SystemUser } from "./user.ts";

/** All that PostgreSQL's programs get to see of this process's environment. */
export const postgresEnv = () => ({ PATH: process.env.PATH, LANG: "C" });

export const identity = (user: SystemUser | null) => (user ? { uid: user.uid, gid: user.gid } : {});

/** The major version that made a data directory; null when there is none yet. */
export function clusterMajor(data: string): number | null {
  const file = join(data, "PG_VERSION");
  if (existsSync(file)) {
    const text = readFileSync(file, "utf8").trim();
    if (!/^\d+$/.test(text)) throw new Error(`${file} names no PostgreSQL version: ${JSON.stringify(text)}`);
    return Number(text);
  }
  if (existsSync(data) && readdirSync(data).length > 0) {
    throw new Error(`${data} holds something but no PG_VERSION: restore it, or move it away to begin anew`);
  }
  return null;
}

/** Made in a folder beside and moved into place when it is whole: one that was cut short is not taken for a cluster. */
export async function makeCluster(data: string, binaries: Binaries, user: SystemUser | null): Promise<void> {
  if (!user) nameOfThisUser();
  const part = `${data}.new`;
  const remove = () => rmSync(part, { recursive: true, force: true, maxRetries: 5 });
  remove();
  mkdirSync(part, { mode: 0o700 });
  if (user) chownSync(part, user.uid, user.gid);
  const args = ["-D", part, "-U", "postgres", "-A", "peer", "-E", "UTF8", "--locale=C", "--data-checksums"];
  const child = spawn(join(binaries.folder, "initdb"), args, {
    ...identity(user),
    cwd: "/",
    env: postgresEnv(),
    // Of a group of its own: Ctrl-C in the terminal must not cut it short.
    detached: true,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (chunk) => {
    said = `${said}${chunk}`.slice(-4_000);
  });
  const [code] = await once(child, "close");
  if (code !== 0) {
    remove();
    const hint =
      user && /Permission denied/.test(said) ? ` (can ${user.name} pass every folder above it?)` : "";
    throw new Error(`PostgreSQL's data directory could not be made: ${reasonOf(said)}${hint}`);
  }
  rmSync(data, { recursive: true, force: true });
  renameSync(part, data);
}

/** The system tells PostgreSQL which user connects, so there is no password to keep. */
export function writeAccess(data: string, user: SystemUser | null, clients: SystemUser[]): void {
  const own = nameOfThisUser();
  const administrators = new Set([user?.name ?? own, own]);
  const lines = [...administrators].map((name) => `drover "${name}" postgres`);
  for (const name of new Set([...administrators, ...clients.map((client) => client.name)])) {
    lines.push(`drover "${name}" drover`);
  }
  writeOwned(join(data, "pg_hba.conf"), "local all all peer map=drover\n", user);
  writeOwned(join(data, "pg_ident.conf"), `${lines.join("\n")}\n`, user);
}

function nameOfThisUser(): string {
  try {
    return userInfo().username;
  } catch {
    throw new Error(
      `the user id ${process.getuid?.()} has no name in /etc/passwd, which PostgreSQL needs: give it one, or set DATABASE_URL`,
    );
  }
}

function writeOwned(path: string, text: string, user: SystemUser | null): void {
  writeFileSync(path, text, { mode: 0o600 });
  if (user) chownSync(path, user.uid, user.gid);
}

/** The line of PostgreSQL's own words that says why. */
export function reasonOf(said: string): string {
  if (/No space left on device/.test(said)) return "the disk is full";
  const lines = said.split("\n").filter((line) => line.trim() !== "");
  const fatal =
    lines.findLast((line) => /FATAL|PANIC|error:/.test(line)) ?? lines.at(-1) ?? "it gave no reason";
  return fatal.replace(/^.*?(FATAL|PANIC|error): */, "").trim();
}
