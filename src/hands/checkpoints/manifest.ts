import { gunzipSync, gzipSync } from "node:zlib";
import { z } from "zod";
import { limits } from "../../limits.ts";

/**
 * What a workspace consists of. A path begins with the name of one of its kept folders and lists its parts by bytes:
 * one character of the string is one byte, for names need not be UTF-8. A folder comes before what is in it, and what is
 * in it follows it directly.
 */
export interface Manifest {
  entries: ManifestEntry[];
  /** What was there and is not kept: the first of it, and how much there is. */
  left_out: Missing[];
  left_out_count: number;
}

export type ManifestEntry =
  | { type: "folder"; path: string; mode: number; mtime_ms: number }
  | {
      type: "file";
      path: string;
      mode: number;
      mtime_ms: number;
      size: number;
      sha256: string;
      /** It was written to while it was read. */
      unsettled: boolean;
    }
  | { type: "link"; path: string; target: string; mtime_ms: number };

export interface Missing {
  path: string;
  why: string;
}

/** A name that is UTF-8 without control characters is written as that, another one in base64: none grows much. */
const bytes = z.union([z.string(), z.object({ base64: z.base64() })]);
const places = { path: bytes, mtime_ms: z.number() };
const mode = z.int().min(0).max(0o1777);
const stored = z.object({
  version: z.literal(1),
  entries: z.array(
    z.discriminatedUnion("type", [
      z.object({ type: z.literal("folder"), ...places, mode }),
      z.object({
        type: z.literal("file"),
        ...places,
        mode,
        size: z.int().nonnegative(),
        sha256: z.string().regex(/^[0-9a-f]{64}$/),
        unsettled: z.literal(true).optional(),
      }),
      z.object({ type: z.literal("link"), ...places, target: bytes }),
    ]),
  ),
  left_out: z.array(z.object({ path: bytes, why: z.string() })),
  left_out_count: z.int().nonnegative(),
});
type Stored = z.infer<typeof stored>;

/** The same for the same workspace, so that one that has not changed is stored once. */
export function encodeManifest({ entries, left_out, left_out_count }: Manifest): Buffer {
  const written: Stored = {
    version: 1,
    entries: entries.map((entry) => {
      const path = toStored(entry.path);
      if (entry.type === "link") return { ...entry, path, target: toStored(entry.target) };
      if (entry.type === "folder") return { ...entry, path };
      const { unsettled, ...rest } = entry;
      return { ...rest, path, ...(unsettled && { unsettled }) };
    }),
    left_out: left_out.map(({ path, why }) => ({ path: toStored(path), why })),
    left_out_count,
  };
  return gzipSync(JSON.stringify(written), { level: 1 });
}

/** Throws when it is not one. */
export function decodeManifest(data: Buffer): Manifest {
  const text = gunzipSync(data, { maxOutputLength: limits.checkpoint_manifest_bytes_max }).toString("utf8");
  const { entries, left_out, left_out_count } = stored.parse(JSON.parse(text));
  return {
    entries: entries.map((entry) => {
      const path = fromStored(entry.path);
      if (entry.type === "link") return { ...entry, path, target: fromStored(entry.target) };
      if (entry.type === "folder") return { ...entry, path };
      return { ...entry, path, unsettled: entry.unsettled ?? false };
    }),
    left_out: left_out.map(({ path, why }) => ({ path: fromStored(path), why })),
    left_out_count,
  };
}

export const sizeOf = (manifest: Manifest): { files: number; bytes: number } => {
  const files = manifest.entries.filter((entry) => entry.type === "file");
  return { files: files.length, bytes: files.reduce((sum, { size }) => sum + size, 0) };
};

function toStored(path: string): z.infer<typeof bytes> {
  const raw = Buffer.from(path, "latin1");
  const text = raw.toString("utf8");
  return raw.equals(Buffer.from(text, "utf8")) && !/\p{Cc}/u.test(text)
    ? text
    : { base64: raw.toString("base64") };
}

const fromStored = (path: z.infer<typeof bytes>): string =>
  (typeof path === "string" ? Buffer.from(path, "utf8") : Buffer.from(path.base64, "base64")).toString(
    "latin1",
  );
