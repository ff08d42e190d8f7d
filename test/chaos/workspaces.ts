import { linkSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/** What the commands of a session have written into a file of one of its workspaces. */
export interface Workspace {
  host: string;
  /** How often the session had been moved to another host. */
  generation: number;
  lines: string[];
}

export interface Workspaces {
  /**
   * All that a session has had, on all hosts, be they gone by now: the oldest first, whatever their generation. A host that
   * stood still may bring one back that the session has left behind meanwhile, and it holds what ran elsewhere since.
   */
  of(sessionId: string): Workspace[];
  close(): void;
}

export interface WorkspacesOptions {
  /** Where each host has its sandboxes. */
  hosts: readonly { name: string; sandboxes: string }[];
  file: string;
  /** A folder of the same file system. */
  keptIn: string;
}

/** Far less than what a workspace is there for at least: it goes when its host has been silent and is back. */
const look_ms = 100;

const nameOf = /^sbx_([^-.]+)(?:-(\d+))?$/;

/**
 * Keeps a second name for that file of every workspace as soon as it is there. So what is in it, and what is still
 * written, stays when the host removes the workspace.
 */
export function keepWorkspaces({ hosts, file, keptIn }: WorkspacesOptions): Workspaces {
  /** By session, the path of the second name, whose it is and since when it is there, in `ms`. */
  const kept = new Map<string, { path: string; host: string; generation: number; since: number }[]>();
  const known = new Set<string>();
  mkdirSync(keptIn, { recursive: true, mode: 0o700 });

  function look(): void {
    for (const { name: host, sandboxes } of hosts)
      for (const folder of foldersIn(sandboxes)) {
        const [, session, generation = "0"] = nameOf.exec(folder) ?? [];
        if (session === undefined) continue;
        const from = join(sandboxes, folder, "workspace", file);
        const found = unlessGone(() => statSync(from));
        const path = join(keptIn, `${host}.${folder}.${found?.ino}`);
        if (found === null || known.has(path) || !linked(from, path)) continue;
        known.add(path);
        const all = kept.get(session) ?? [];
        kept.set(session, [...all, { path, host, generation: Number(generation), since: found.birthtimeMs }]);
      }
  }

  const looking = setInterval(look, look_ms);
  return {
    of(sessionId) {
      look();
      const all = kept.get(sessionId.replace(/^sesn_/, "")) ?? [];
      return all
        .toSorted((a, b) => a.since - b.since)
        .map(({ path, host, generation }) => ({
          host,
          generation,
          lines: readFileSync(path, "utf8").split("\n").slice(0, -1),
        }));
    },
    close: () => clearInterval(looking),
  };
}

function foldersIn(path: string): string[] {
  return unlessGone(() => readdirSync(path)) ?? [];
}

/** Whether it is the same file that now has both names. */
const linked = (from: string, to: string): boolean => unlessGone(() => linkSync(from, to)) !== null;

function unlessGone<Found>(look: () => Found): Found | null {
  try {
    return look();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}
