import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { limits } from "../../limits.ts";
import { type Restored, restored } from "../wire.ts";

/**
 * What a host notes about the checkpoints of its sandboxes, on its own disk, for the process after this one. A kill
 * loses none of it; a power cut or a full disk may, and costs a checkpoint that would have been due, no more. What
 * could not be written holds for this process all the same.
 */
export interface Notes {
  /** Its workspace may differ from its newest checkpoint from now on. */
  changed(sandbox_id: string, session_id: string): void;
  ended(sandbox_id: string, call: string): void;
  /** Null when nothing has changed since. */
  unkept(sandbox_id: string): Unkept | null;
  /** These calls are kept; with none left, and if that is said, all is. */
  kept(sandbox_id: string, calls: readonly string[], options: { all: boolean }): void;
  report(sandbox_id: string): Restored | null;
  reportKnown(sandbox_id: string): void;
  reportPath(sandbox_id: string): string;
  knownPath(sandbox_id: string): string;
  /** Whether something is known there. */
  wasKept(sandbox_id: string): boolean;
  forget(sandbox_id: string): void;
  /** Every sandbox that something is noted about. */
  ids(): string[];
  /** The storage that this host has used in that folder; null when it has used none. */
  storageIn(folder: string): string | null;
  storageIs(folder: string, id: string): void;
}

const unkept = z.object({
  session_id: z.string(),
  /** The calls that have ended since the newest checkpoint, the newest last; of very many only the newest. */
  calls: z.array(z.string()),
});
export type Unkept = z.infer<typeof unkept>;

const usedStorage = z.object({ folder: z.string(), id: z.string() });

export function openNotes(folder: string): Notes {
  const sandboxes = join(folder, "sandboxes");
  mkdirSync(sandboxes, { recursive: true, mode: 0o700 });
  const at = (sandbox_id: string, name: string) => join(sandboxes, sandbox_id, name);
  const unkeptPath = (id: string) => at(id, "unkept.json");
  const storagePath = join(folder, "storage.json");
  const all = new Map<string, Unkept>();
  for (const id of readdirSync(sandboxes)) {
    const found = readAs(unkept, unkeptPath(id));
    if (found) all.set(id, found);
  }

  function make(sandbox_id: string): void {
    mkdirSync(join(sandboxes, sandbox_id), { recursive: true, mode: 0o700 });
  }

  function note(sandbox_id: string, noted: Unkept): void {
    all.set(sandbox_id, noted);
    make(sandbox_id);
    replace(unkeptPath(sandbox_id), JSON.stringify(noted));
  }

  return {
    changed(sandbox_id, session_id) {
      if (!all.has(sandbox_id)) note(sandbox_id, { session_id, calls: [] });
    },
    ended(sandbox_id, call) {
      const noted = all.get(sandbox_id);
      if (!noted) return;
      const calls = [...noted.calls, call].slice(-limits.checkpoint_calls_max);
      note(sandbox_id, { ...noted, calls });
    },
    unkept: (sandbox_id) => all.get(sandbox_id) ?? null,
    kept(sandbox_id, kept, options) {
      const noted = all.get(sandbox_id);
      if (!noted) return;
      const calls = noted.calls.filter((call) => !kept.includes(call));
      if (!options.all || calls.length > 0) return note(sandbox_id, { ...noted, calls });
      all.delete(sandbox_id);
      rmSync(unkeptPath(sandbox_id), { force: true });
    },
    report: (sandbox_id) => readAs(restored, at(sandbox_id, "restored.json")),
    reportKnown: (sandbox_id) => rmSync(at(sandbox_id, "restored.json"), { force: true }),
    reportPath(sandbox_id) {
      make(sandbox_id);
      return at(sandbox_id, "restored.json");
    },
    wasKept: (sandbox_id) => existsSync(at(sandbox_id, "known-files.json")),
    knownPath(sandbox_id) {
      make(sandbox_id);
      return at(sandbox_id, "known-files.json");
    },
    forget(sandbox_id) {
      all.delete(sandbox_id);
      rmSync(join(sandboxes, sandbox_id), { recursive: true, force: true });
    },
    ids: () => readdirSync(sandboxes),
    storageIn(path) {
      if (!existsSync(storagePath)) return null;
      const used = readAs(usedStorage, storagePath);
      if (!used) throw new Error(`${storagePath} is damaged: see that ${path} is mounted, then remove it`);
      return used.folder === path ? used.id : null;
    },
    storageIs: (path, id) => replace(storagePath, JSON.stringify({ folder: path, id }), { flush: true }),
  };
}

/** Whole or not at all. */
function replace(path: string, text: string, options: { flush?: boolean } = {}): void {
  const part = `${path}.part`;
  writeFileSync(part, text, { mode: 0o600, ...options });
  renameSync(part, path);
}

/** Null when it is not there or damaged. */
function readAs<Schema extends z.ZodType>(schema: Schema, path: string): z.output<Schema> | null {
  try {
    return schema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return null;
  }
}
