import { createHash } from "node:crypto";
import fs, { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { basename, join } from "node:path";
import { type TestFolder, testFolder } from "../testing.ts";
import type { Checkpoint, Restored } from "../wire.ts";
import { checkpointOf, nameOf, type Place, placesOf, readCheckpoint } from "./documents.ts";
import { encodeManifest, type ManifestEntry } from "./manifest.ts";
import { restoreCheckpoint } from "./restore.ts";
import { type ScanBounds, scanBounds } from "./scan.ts";
import { openSharedFolder } from "./shared-folder.ts";
import type { Storage } from "./storage.ts";
import { type Taken, takeCheckpoint } from "./take.ts";

export const never = new AbortController().signal;
export const session_id = "sesn_kept";
export const sandbox_id = "sbx_kept";

/** A workspace and a storage, without a sandbox, in one folder. */
export interface KeptWorkspace {
  folder: TestFolder;
  /** The workspace's own folder. */
  path: string;
  storagePath: string;
  storage: Storage;
  take(options?: {
    signal?: AbortSignal;
    bounds?: Partial<ScanBounds>;
    calls?: string[];
    in_use?: boolean;
    storage?: Storage;
  }): Promise<Taken>;
  /** Into a fresh folder, the path of which it gives too: the newest, or this one. */
  restore(at?: Place): Promise<Restored & { path: string }>;
}

export function keptWorkspace(folder: TestFolder = testFolder()): KeptWorkspace {
  const path = join(folder.path, "workspace");
  const storagePath = join(folder.path, "storage");
  for (const each of [path, storagePath]) mkdirSync(each, { recursive: true });
  const storage = storageIn(storagePath);
  let restores = 0;

  async function restore(at?: Place): Promise<Restored & { path: string }> {
    const staging = join(folder.path, `restored-${restores++}`);
    const into = join(staging, "workspace");
    mkdirSync(into, { recursive: true });
    const restored = await restoreCheckpoint(
      at ? storageOf(storage, at) : storage,
      {
        session_id,
        folders: [{ name: "workspace", inside: "/workspace", path: into, owner: null }],
        staging,
        known_path: join(staging, "known-files.json"),
        report_path: join(staging, "restored.json"),
      },
      never,
    );
    return { ...restored, path: into };
  }

  return {
    folder,
    path,
    storagePath,
    storage,
    take({ signal = never, bounds = {}, calls = ["call"], in_use = false, storage: other = storage } = {}) {
      const request = {
        session_id,
        sandbox_id,
        folders: [{ name: "workspace", path }],
        known_path: join(folder.path, "known-files.json"),
        after_calls: calls,
        in_use,
        restored: null,
      };
      // What a test has just written is as settled as what lay there before.
      const all = { ...scanBounds, settled_ms: -1_000, ...bounds };
      return takeCheckpoint(other, { ...request, bounds: all }, signal);
    },
    restore,
  };
}

/** As if there were no other checkpoint. */
const storageOf = (storage: Storage, { sandbox_id, n }: Place): Storage => ({
  ...storage,
  list: async (folder) =>
    (await storage.list(folder)).filter((name) => name === nameOf(session_id, { sandbox_id, n })),
});

/** The oldest first. */
export async function checkpointsOf(storage: Storage | null, session_id: string): Promise<Checkpoint[]> {
  const found: Checkpoint[] = [];
  for (const place of storage ? await placesOf(storage, session_id) : []) {
    const document = storage && (await readCheckpoint(storage, session_id, place));
    if (!document) continue;
    const shown = checkpointOf(document);
    found.push(shown);
  }
  return found;
}

function storageIn(path: string): Storage {
  const storage = openSharedFolder(path, { known: null, make: true });
  if (!storage) throw new Error("no storage was made");
  return storage;
}

/** The names of all blobs. */
export const blobsIn = (storagePath: string): string[] =>
  readdirSync(join(storagePath, "blobs"), { recursive: true, encoding: "utf8" })
    .map((path) => basename(path))
    .filter((name) => name.length === 64)
    .sort();

/** Does it to the blob with this content, or of this name. */
export function damage(
  storagePath: string,
  content: string,
  how: "change" | "remove" | "loop" = "change",
): void {
  const sha256 = /^[0-9a-f]{64}$/.test(content)
    ? content
    : createHash("sha256").update(content).digest("hex");
  const path = join(storagePath, "blobs", sha256.slice(0, 2), sha256);
  const bytes = readFileSync(path);
  rmSync(path);
  if (how === "change") writeFileSync(path, bytes.fill("!"));
  // Which cannot even be opened.
  if (how === "loop") symlinkSync(path, path);
}

/** A newer checkpoint with entries that no workspace has, or with what is no manifest here. */
export async function forged({ storage }: KeptWorkspace, what: ManifestEntry[] | Buffer): Promise<void> {
  const batch = await storage.begin();
  const bytes = Buffer.isBuffer(what)
    ? what
    : encodeManifest({ entries: what, left_out: [], left_out_count: 0 });
  const content = async function* () {
    yield bytes;
  };
  const { sha256: manifest } = await batch.put(content());
  await batch.commit();
  const facts = { after_calls: [], in_use: false, made_at: "", files: 0, bytes: 0 };
  const document = { sandbox_id, n: 1_000, ...facts, manifest };
  await storage.createDocument(nameOf(session_id, document), Buffer.from(JSON.stringify(document)));
}

/** Calls `then` right after the checkpoint code has looked at what lies at a path, until the returned function is called. */
export function afterEachLook(then: (path: string) => void): () => void {
  const { lstatSync: look } = fs;
  const put = (lstatSync: unknown) => {
    Object.assign(fs, { lstatSync });
    syncBuiltinESMExports();
  };
  put((path: string | Buffer, options: fs.StatSyncOptions) => {
    const stats = look(path, options);
    then(path.toString());
    return stats;
  });
  return () => put(look);
}
