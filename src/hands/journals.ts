import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { allCallsEnded, type Journal, openJournal } from "./journal.ts";

/** The journals of all sessions; the ones in use and some of the last used are open. */
export interface Journals {
  /** The journal stays open until `work` is done. */
  use<T>(sessionId: string, work: (journal: Journal) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

const unusedKeptMs = 30 * 24 * 3_600_000;

export async function openJournals(
  folder: string,
  options: { calls_kept: number; open_max: number },
): Promise<Journals> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await removeUnused(folder);
  const open = new Map<string, { journal: Promise<Journal>; users: number }>();

  const closing = new Map<string, Promise<void>>();

  function evict(): void {
    for (const [id, { journal, users }] of open) {
      if (open.size <= options.open_max) return;
      if (users > 0) continue;
      open.delete(id);
      // The next opening must find it closed, so it waits in line with it.
      closing.set(
        id,
        journal
          .then((each) => each.close())
          .catch(() => {})
          .finally(() => closing.delete(id)),
      );
    }
  }
  async function begin(sessionId: string): Promise<Journal> {
    await closing.get(sessionId);
    return openJournal(join(folder, `${sessionId}.jsonl`), options);
  }

  return {
    async use(sessionId, work) {
      const entry = open.get(sessionId) ?? { journal: begin(sessionId), users: 0 };
      // Last in the map is last to be closed.
      open.delete(sessionId);
      open.set(sessionId, entry);
      entry.users += 1;
      try {
        return await work(await entry.journal);
      } finally {
        entry.users -= 1;
        if ((await isBroken(entry.journal)) && open.get(sessionId) === entry) open.delete(sessionId);
        evict();
      }
    },
    async close() {
      const journals = [...open.values()].map((entry) => entry.journal.then((each) => each.close()));
      await Promise.allSettled([...journals, ...closing.values()]);
      open.clear();
    },
  };
}

const isBroken = (journal: Promise<Journal>) =>
  journal.then(
    () => false,
    () => true,
  );

/**
 * Time in which no journal was written does not count: the host was off, and those who would have asked for a call may
 * only come now. However old, one whose call began and did not end is kept: forgotten, the call could run again.
 */
async function removeUnused(folder: string): Promise<void> {
  const paths = (await readdir(folder)).map((name) => join(folder, name));
  const written = await Promise.all(paths.map(async (path) => ({ path, ms: (await stat(path)).mtimeMs })));
  const latestMs = written.reduce((latest, { ms }) => Math.max(latest, ms), 0);
  for (const { path, ms } of written) {
    if (latestMs - ms > unusedKeptMs && (await allCallsEnded(path))) await rm(path);
  }
}
