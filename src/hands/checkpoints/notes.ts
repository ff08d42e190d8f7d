import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { type Restored, restored } from "../wire.ts";

/**
 * What a host notes about the checkpoints of its sandboxes, on its own disk, for the process after this one. A kill
 * loses none of it; a power cut may, and costs a checkpoint that would have been due, no more.
 */
export interface Notes {
  /** Its workspace may differ from its newest checkpoint from now on. */
  changed(sandbox_id: string, session_id: string): void;
  ended(sandbox_id: string, call: string): void;
  /** Null when nothing has changed since. */
  unkept(sandbox_id: string): Unkept | null;
  /** The first `count` calls are kept; with none left and nothing running, all is. */
  kept(sandbox_id: string, count: number, options: { all: boolean }): void;
  report(sandbox_id: string): Restored | null;
  reportTold(sandbox_id: string): void;
  reportPath(sandbox_id: string): string;
  knownPath(sandbox_id: string): string;
  forget(sandbox_id: string): void;
  /** Every sandbox that something is noted about. */
  ids(): string[];
  /** The storage that this host has used in that folder; null when it has used none. */
  storageIn(folder: string): string | null;
  storageIs(folder: string, id: string): void;
}

export interface Unkept {
  session_id: string;
  /** The calls that have ended since the newest checkpoint, the newest last. */
  calls: string[];
}

const usedStorage = z.object({ folder: z.string(), id: z.string() });

export function openNotes(folder: string): Notes {
  const sandboxes = join(folder, "sandboxes");
  mkdirSync(sandboxes, { recursive: true, mode: 0o700 });
  const at = (sandbox_id: string, name: string) => join(sandboxes, sandbox_id, name);
  const unkeptPath = (id: string) => at(id, "unkept");
  const storagePath = join(folder, "storage.json");

  function make(sandbox_id: string): void {
    mkdirSync(join(sandboxes, sandbox_id), { recursive: true, mode: 0o700 });
  }

  /** One word a line: the session, then the calls. */
  function read(sandbox_id: string): Unkept | null {
    if (!existsSync(unkeptPath(sandbox_id))) return null;
    const [session_id, ...calls] = readFileSync(unkeptPath(sandbox_id), "utf8").split("\n").filter(Boolean);
    return session_id === undefined ? null : { session_id, calls };
  }

  return {
    changed(sandbox_id, session_id) {
      if (existsSync(unkeptPath(sandbox_id))) return;
      make(sandbox_id);
      writeFileSync(unkeptPath(sandbox_id), `${session_id}\n`);
    },
    ended: (sandbox_id, call) =>
      appendFileSync(unkeptPath(sandbox_id), `${JSON.stringify(call).slice(1, -1)}\n`),
    unkept: read,
    kept(sandbox_id, count, { all }) {
      const unkept = read(sandbox_id);
      if (!unkept) return;
      const calls = unkept.calls.slice(count);
      if (all && calls.length === 0) rmSync(unkeptPath(sandbox_id), { force: true });
      else writeFileSync(unkeptPath(sandbox_id), [unkept.session_id, ...calls, ""].join("\n"));
    },
    report(sandbox_id) {
      const path = at(sandbox_id, "restored.json");
      if (!existsSync(path)) return null;
      try {
        return restored.parse(JSON.parse(readFileSync(path, "utf8")));
      } catch {
        return null;
      }
    },
    reportTold: (sandbox_id) => rmSync(at(sandbox_id, "restored.json"), { force: true }),
    reportPath(sandbox_id) {
      make(sandbox_id);
      return at(sandbox_id, "restored.json");
    },
    knownPath(sandbox_id) {
      make(sandbox_id);
      return at(sandbox_id, "known-files.json");
    },
    forget: (sandbox_id) => rmSync(join(sandboxes, sandbox_id), { recursive: true, force: true }),
    ids: () => readdirSync(sandboxes),
    storageIn(path) {
      if (!existsSync(storagePath)) return null;
      const used = usedStorage.safeParse(JSON.parse(readFileSync(storagePath, "utf8")));
      return used.success && used.data.folder === path ? used.data.id : null;
    },
    storageIs: (path, id) =>
      writeFileSync(storagePath, JSON.stringify({ folder: path, id }), { mode: 0o600, flush: true }),
  };
}
