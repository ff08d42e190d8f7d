import { existsSync, mkdirSync, renameSync, rmSync, statfsSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { ownFileStore } from "../config/files.ts";
import { ownMasterKey } from "../config/master-key.ts";
import type { Binaries } from "../db/embedded/binaries.ts";
import { adminUrlOf, startPostgres } from "../db/embedded/server.ts";
import type { SystemUser } from "../db/embedded/user.ts";
import { flush, type Progress } from "./backup.ts";
import { contentsIn } from "./contents.ts";
import { type Manifest, type ManifestEntry, readManifest } from "./manifest.ts";
import { beginNewIncarnation } from "./reborn.ts";
import { restoringFolder } from "./restoring.ts";
import { unpack } from "./unpack.ts";

export interface RestoreOptions {
  /** As `drover backup` has written it. */
  folder: string;
  /** Empty, and held by nobody else. */
  data_dir: string;
  socket_dir: string;
  /** Who PostgreSQL runs as; null is the user of this process. */
  user: SystemUser | null;
  /** Who serves run as; null is the same. */
  serve_user: SystemUser | null;
  /** Those of the major version that made the data directory. */
  binaries(major: number): Binaries;
  /** Whether files may be given to the users that they belonged to. */
  owners: boolean;
  progress: Progress;
}

export interface Restored {
  made_at: string;
  version: string;
  files: number;
  sessions: number;
  api_key: boolean;
  master_key: boolean;
}

/** In this order they come into their place. */
const parts = ["api-key", ownMasterKey, "storage", ownFileStore, "hands", "postgres"];

/** The data directory is empty again when this fails. One that is killed leaves what keeps others from starting on it. */
export async function restoreBackup(options: RestoreOptions): Promise<Restored> {
  const { data_dir } = options;
  const manifest = readManifest(options.folder);
  const base = join(data_dir, restoringFolder);
  // Nothing was there before the folder was, and nothing starts while it is.
  const clear = () => {
    for (const name of [...parts, restoringFolder]) remove(join(data_dir, name));
  };
  if (existsSync(base)) clear();
  requireRoom(data_dir, manifest.entries);
  mkdirSync(base, { mode: 0o711 });
  try {
    return await fill(base, manifest, options);
  } catch (error) {
    clear();
    throw error;
  }
}

async function fill(base: string, { header, entries }: Manifest, options: RestoreOptions): Promise<Restored> {
  const { data_dir, progress } = options;
  const binaries = options.binaries(header.postgres_major);
  progress.begin("writing and comparing", sizeOf(entries));
  unpack(base, entries, contentsIn(join(options.folder, "contents"), progress.passed), (path, recorded) => {
    const [part] = path.toString("latin1").split("/");
    if (part === "postgres") return options.user;
    if (part === ownFileStore) return options.serve_user;
    return options.owners ? recorded : null;
  });
  flush(base);
  progress.begin("starting the database on it", null);
  const sessions = await begin(base, binaries, options);
  for (const name of parts)
    if (existsSync(join(base, name))) renameSync(join(base, name), join(data_dir, name));
  flush(data_dir);
  remove(base);
  return {
    made_at: header.made_at,
    version: header.version,
    files: entries.filter(({ type }) => type === "file").length,
    sessions,
    api_key: entries.some(({ path }) => path === "api-key"),
    master_key: entries.some(({ path }) => path === ownMasterKey),
  };
}

/** PostgreSQL plays its log up to the end of the backup; what comes then is another log. */
async function begin(base: string, binaries: Binaries, options: RestoreOptions): Promise<number> {
  const { socket_dir, user } = options;
  const server = await startPostgres({ data_dir: base, socket_dir, user, clients: [], binaries });
  const client = new pg.Client({ connectionString: adminUrlOf(socket_dir) });
  client.on("error", () => {});
  try {
    await client.connect();
    await beginNewIncarnation(client);
    const { rows } = await client.query<{ n: number }>("select count(*)::int as n from session");
    return rows[0]?.n ?? 0;
  } finally {
    await client.end().catch(() => {});
    await server.stop();
  }
}

function requireRoom(dataDir: string, entries: ManifestEntry[]): void {
  const { bavail, bsize } = statfsSync(dataDir);
  const needed = sizeOf(entries);
  if (bavail * bsize < needed)
    throw new Error(
      `${dataDir} has room for ${Math.floor((bavail * bsize) / 2 ** 20)} MiB, and the backup needs ${Math.ceil(needed / 2 ** 20)}`,
    );
}

const sizeOf = (entries: ManifestEntry[]) =>
  entries.reduce((sum, entry) => sum + (entry.type === "file" ? entry.size : 0), 0);

const remove = (path: string) => rmSync(path, { recursive: true, force: true });
