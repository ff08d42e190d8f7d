import type { Database, DatabasePool } from "../db/database.ts";
import { type Log, type LogEvents, logWithin } from "../log/group-commit.ts";
import type { Seal } from "../vault/seal.ts";

/** What a request reads and writes with. */
export interface Work {
  db: Database;
  log: Log;
  /** Does what nobody may notice before what was written is committed. */
  whenCommitted(effect: () => void): void;
}

export interface Works {
  /** For what is kept of requests that hold secrets. */
  seal: Pick<Seal, "seal" | "open">;
  /** Every statement is committed by itself. */
  plain: Work;
  /** All that `run` writes is committed together, or nothing of it. */
  together<Result>(run: (work: Work) => Promise<Result>): Promise<Result>;
}

export function createWorks(
  db: DatabasePool,
  log: Log,
  events: LogEvents,
  seal: Pick<Seal, "seal" | "open">,
): Works {
  return {
    seal,
    plain: { db, log, whenCommitted: (effect) => effect() },
    async together(run) {
      const effects: (() => void)[] = [];
      const whenCommitted = (effect: () => void) => void effects.push(effect);
      const result = await db.transaction((tx) =>
        run({ db: tx, log: logWithin(tx, events, whenCommitted), whenCommitted }),
      );
      for (const effect of effects) effect();
      return result;
    },
  };
}
