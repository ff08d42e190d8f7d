import { z } from "zod";

/** What a file was when it was read. As long as it looks the same, it holds the same. */
export interface KnownFile {
  ino: string;
  size: string;
  mtime_ns: string;
  ctime_ns: string;
  sha256: string;
}

/** By the path in the manifest. */
export type Known = Map<string, KnownFile>;

/** What is known of a workspace: true for as long as that storage has what was read. */
export interface KnownFiles {
  storage_id: string;
  /** The checkpoint that names all of it. Null: none does yet, and the storage may forget it after a while. */
  document: string | null;
  /** In `ms` since 1970. */
  read_at_ms: number;
  files: Known;
}

const stored = z.object({
  storage_id: z.string(),
  document: z.string().nullable(),
  read_at_ms: z.number(),
  files: z.array(z.tuple([z.string(), z.string(), z.string(), z.string(), z.string(), z.string()])),
});

export function encodeKnownFiles({ files, ...rest }: KnownFiles): string {
  const rows = [...files].map(([path, file]) => [
    ...[path, file.ino, file.size, file.mtime_ns, file.ctime_ns, file.sha256],
  ]);
  return JSON.stringify({ ...rest, files: rows });
}

/** Null when it is damaged: then everything is read again. */
export function decodeKnownFiles(text: string): KnownFiles | null {
  try {
    const { files, ...rest } = stored.parse(JSON.parse(text));
    const rows = files.map(
      ([path, ino, size, mtime_ns, ctime_ns, sha256]) =>
        [path, { ino, size, mtime_ns, ctime_ns, sha256 }] as const,
    );
    return { ...rest, files: new Map(rows) };
  } catch {
    return null;
  }
}
