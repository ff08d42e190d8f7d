import { execFileSync } from "node:child_process";
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { ownFileStore } from "../config/files.ts";
import { ownMasterKey } from "../config/master-key.ts";
import { namedBlobsLock } from "../files/blobs.ts";
import { packCluster } from "./cluster.ts";
import { contentsIn } from "./contents.ts";
import { inOrder, writeManifest } from "./manifest.ts";
import { type Packing, packFolder, packText } from "./pack.ts";
import { packSandboxes } from "./sandbox-disks.ts";

/** What a server on this machine keeps, and where. */
export interface Kept {
  postgres: string;
  hands: string;
  /** Null where it lies elsewhere: others share it. */
  storage: string | null;
  /** The same. */
  files: string | null;
  api_key: string;
  /** Null where it is not to be in the backup, or was not made here. */
  master_key: string | null;
}

export interface BackupOptions {
  /** Where it is written: a folder that does not exist yet, or is empty. */
  folder: string;
  kept: Kept;
  /** Of the running server, for its superuser. */
  admin_url: string;
  postgres_major: number;
  version: string;
  progress: Progress;
}

/** Told what is being done, and of bytes as they pass. */
export interface Progress {
  begin(what: string, bytes: number | null): void;
  passed(bytes: number): void;
}

export interface BackedUp {
  files: number;
  bytes: number;
  /** Whether the server's own API key is in it. */
  api_key: boolean;
  master_key: boolean;
  left_out: { path: string; why: string }[];
}

/**
 * Copies the database first, and meanwhile no content of files is removed that it names. What follows may be a little ahead of it: a workspace that holds more than the log tells of
 * is better than one that holds less.
 */
export async function makeBackup(options: BackupOptions): Promise<BackedUp> {
  const { folder, kept, progress } = options;
  prepareEmpty(folder);
  const contents = contentsIn(join(folder, "contents"), progress.passed);
  const packing: Packing = { contents, entries: [], leftOut: [] };
  const { uid, gid } = lstatSync(kept.postgres);

  const holding = await holdContents(options.admin_url);
  try {
    progress.begin("copying the database", null);
    await packCluster(packing, kept.postgres, options.admin_url, { uid, gid });
    progress.begin("copying files", null);
    if (kept.files !== null && existsSync(kept.files))
      packFolder(packing, ownFileStore, kept.files, isSettled);
  } finally {
    await holding.end();
  }
  progress.begin("copying workspaces", null);
  if (kept.storage !== null && existsSync(kept.storage))
    packFolder(packing, "storage", kept.storage, isSettled, documentsFirst);
  if (existsSync(kept.hands)) {
    packFolder(packing, "hands", kept.hands, () => false);
    packSandboxes(packing, kept.hands, outlivesHands);
  }
  const api_key = packKey(packing, "api-key", kept.api_key);
  const master_key = packKey(packing, ownMasterKey, kept.master_key);

  const hashes = new Map(
    packing.entries.flatMap((entry) => (entry.type === "file" ? [[entry.sha256, entry.size]] : [])),
  );
  const bytes = [...hashes.values()].reduce((sum, size) => sum + size, 0);
  flush(folder);
  progress.begin("reading it back", bytes);
  for (const sha256 of hashes.keys()) contents.check(sha256);
  const header = {
    drover_backup: 1,
    version: options.version,
    made_at: new Date().toISOString(),
    postgres_major: options.postgres_major,
  } as const;
  writeManifest(folder, { header, entries: inOrder(packing.entries) });
  flush(folder);
  const files = packing.entries.filter(({ type }) => type === "file").length;
  return { files, bytes, api_key, master_key, left_out: packing.leftOut };
}

function packKey(packing: Packing, name: string, path: string | null): boolean {
  if (path === null || !existsSync(path)) return false;
  const { uid, gid } = lstatSync(path);
  packText(packing, name, readFileSync(path), { uid, gid });
  return true;
}

function prepareEmpty(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (readdirSync(folder).length > 0)
    throw new Error(`${folder} is not empty: a backup needs a folder of its own`);
}

/** A document is written after what it names, so what is copied after it is there. */
const documentsFirst = (names: Buffer[]): Buffer[] =>
  names.toSorted((a, b) => Number(b.equals(documents)) - Number(a.equals(documents)));
const documents = Buffer.from("documents");

/** Until it ends, the jobs of servers let no content go. */
async function holdContents(adminUrl: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: adminUrl });
  // A backup that lacks the content of a deleted file is better than none.
  client.on("error", () => {});
  await client.connect();
  await client.query("select pg_advisory_lock_shared($1)", [namedBlobsLock]);
  return client;
}

/** The rest of it goes, or is made anew, when `hands` start or need it: what nobody wants, what is not whole, and pipes. */
const outlivesHands = (path: string) =>
  !/^(trash|staging|prepared|layers|blobs|mounts|images\/\.[^/]+)\/|^sandboxes\/[^/]+\/pipes\//.test(path);

/** What is still being written has no name in it yet. */
const isSettled = (path: string) => !path.startsWith("incoming/");

/** To the disk, all at once: one file by one would take much longer. */
export const flush = (folder: string): void => {
  execFileSync("sync", process.platform === "linux" ? ["-f", folder] : []);
};
