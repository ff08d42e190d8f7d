import { createHash } from "node:crypto";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

/** Of bytes that are no UTF-8, in base64. */
const bytes = z.union([z.string(), z.strictObject({ base64: z.string() })]);

const about = { path: bytes, mode: z.int(), uid: z.int(), gid: z.int(), mtime_ms: z.number() };

const entry = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("folder"), ...about }),
  z.strictObject({
    type: z.literal("file"),
    ...about,
    size: z.int(),
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
  }),
  z.strictObject({ type: z.literal("link"), ...about, target: bytes }),
]);
export type ManifestEntry = z.infer<typeof entry>;

/** What a backup is of. */
const header = z.strictObject({
  drover_backup: z.literal(1),
  version: z.string(),
  made_at: z.string(),
  /** Of the PostgreSQL that made the data directory, and that is needed to run it. */
  postgres_major: z.int(),
});
export type ManifestHeader = z.infer<typeof header>;

/** Closes it: what stands before it, counted and hashed. */
const end = z.strictObject({ entries: z.int(), sha256: z.string() });

export interface Manifest {
  header: ManifestHeader;
  entries: ManifestEntry[];
}

const nameOf = (folder: string) => join(folder, "manifest.jsonl");

/** Written last, and moved into place when it is whole: a folder without one is no backup. */
export function writeManifest(folder: string, { header, entries }: Manifest): void {
  const text = [header, ...entries].map((line) => `${JSON.stringify(line)}\n`).join("");
  const last = { entries: entries.length, sha256: createHash("sha256").update(text).digest("hex") };
  const part = `${nameOf(folder)}.part`;
  writeFileSync(part, `${text}${JSON.stringify(last)}\n`, { mode: 0o600, flush: true });
  renameSync(part, nameOf(folder));
}

export function readManifest(folder: string): Manifest {
  const file = nameOf(folder);
  if (!existsSync(file)) throw new Error(`${folder} holds no whole backup: ${file} is missing`);
  const text = readFileSync(file, "utf8");
  const cut = text.lastIndexOf("\n", text.length - 2) + 1;
  try {
    const last = end.parse(JSON.parse(text.slice(cut)));
    if (createHash("sha256").update(text.slice(0, cut)).digest("hex") !== last.sha256)
      throw new Error("changed");
    const [first = "", ...lines] = text.slice(0, cut).split("\n").slice(0, -1);
    const { drover_backup: format } = z.looseObject({ drover_backup: z.int() }).parse(JSON.parse(first));
    if (format !== 1) throw new Error(`its format is ${format}, and this version reads 1`);
    return {
      header: header.parse(JSON.parse(first)),
      entries: lines.map((line) => entry.parse(JSON.parse(line))),
    };
  } catch (error) {
    throw new Error(`the backup's manifest ${file} cannot be used: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** Each folder before what is in it. */
export const inOrder = (entries: ManifestEntry[]): ManifestEntry[] =>
  entries
    .map((entry) => ({ entry, key: toBytes(entry.path).map((byte) => (byte === slash ? 0 : byte)) }))
    .toSorted((a, b) => Buffer.compare(a.key, b.key))
    .map(({ entry }) => entry);

const slash = 0x2f;

/** As JSON can hold them, byte for byte. */
export function fromBytes(raw: Buffer): z.infer<typeof bytes> {
  const text = raw.toString("utf8");
  return Buffer.from(text).equals(raw) ? text : { base64: raw.toString("base64") };
}

export const toBytes = (value: z.infer<typeof bytes>): Buffer =>
  typeof value === "string" ? Buffer.from(value) : Buffer.from(value.base64, "base64");
