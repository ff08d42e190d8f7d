import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { idOf } from "../protocol/ids.ts";

const idOfSession = idOf("session");

/** Which sessions have a workspace on this host, as files, so that a worker that is started again knows. */
export interface Workspaces {
  /** The session is served from now on. */
  enter(sessionId: string): void;
  leave(sessionId: string): void;
  /** Removes what belongs to sessions that are over and that nobody serves. */
  sweep(): Promise<void>;
}

export function openWorkspaces(
  folder: string,
  session: { isOver(id: string): Promise<boolean>; remove(id: string): Promise<void> },
): Workspaces {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const served = new Map<string, number>();
  // What the server calls a session becomes the name of a file here.
  const file = (id: string) => join(folder, idOfSession.parse(id));
  return {
    enter(id) {
      writeFileSync(file(id), "");
      served.set(id, (served.get(id) ?? 0) + 1);
    },
    leave(id) {
      const left = (served.get(id) ?? 1) - 1;
      if (left === 0) served.delete(id);
      else served.set(id, left);
    },
    async sweep() {
      for (const id of readdirSync(folder)) {
        if (served.has(id) || !(await session.isOver(id)) || served.has(id)) continue;
        await session.remove(id);
        rmSync(file(id), { force: true });
      }
    },
  };
}
