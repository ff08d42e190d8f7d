import type { Database } from "../../db/database.ts";

/**
 * Of all that goes on at once in a play one thing goes on at a time: the same plan always comes to the same.
 * I1. A turn is given when nothing moves: nobody waits for the database or a server, and all that was to follow has followed.
 * I2. Whose turn it is of those who wait, the plan says.
 */
export interface Turns {
  /** Resolves when it is the turn of who asks. It lasts until nothing moves any more. */
  take(): Promise<void>;
  /** Resolves when nothing moves and nobody waits for a turn. */
  over(): Promise<void>;
  /** What comes from outside of this process, such as an answer of the database, moves until it is there. */
  during<T>(work: Promise<T>): Promise<T>;
  /** The same, for what waits for turns itself before it ends. */
  begin(): Movement;
}

export interface Movement {
  /** Does not move while `wait` does. */
  resting<T>(wait: () => Promise<T>): Promise<T>;
  end(): void;
}

/** Which of those who wait comes first, by its number among them, turn by turn; after that the one who has waited longest. */
export function createTurns(order: readonly number[]): Turns {
  const left = [...order];
  const waiting: (() => void)[] = [];
  const ending: (() => void)[] = [];
  const moving = new Set<object>();
  let changes = 0;
  let looking = false;

  /** What follows from something that has ended follows before the event loop comes round again, or soon after. */
  async function look(): Promise<void> {
    changes += 1;
    if (looking) return;
    looking = true;
    for (let seen = -1, still = 0; still < roundsStill && moving.size === 0; still += 1) {
      if (seen !== changes) still = 0;
      seen = changes;
      await nextRound();
    }
    looking = false;
    if (moving.size > 0) return;
    if (waiting.length === 0) {
      for (const resolve of ending.splice(0)) resolve();
      return;
    }
    const [next] = waiting.splice((left.shift() ?? 0) % waiting.length, 1);
    next?.();
    look();
  }

  function begin(): Movement {
    const movement = {};
    let ended = false;
    moving.add(movement);
    return {
      async resting(wait) {
        moving.delete(movement);
        look();
        try {
          return await wait();
        } finally {
          if (!ended) moving.add(movement);
        }
      },
      end() {
        ended = true;
        moving.delete(movement);
        look();
      },
    };
  }

  return {
    take: () =>
      new Promise((resolve) => {
        waiting.push(resolve);
        look();
      }),
    over: () =>
      new Promise((resolve) => {
        ending.push(resolve);
        look();
      }),
    async during(work) {
      const movement = begin();
      try {
        return await work;
      } finally {
        movement.end();
      }
    },
    begin,
  };
}

const roundsStill = 3;
const nextRound = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A database whose answers move. */
export const watchedDatabase = (db: Database, turns: Turns): Database => ({
  query: (statement, values) => turns.during(db.query(statement, values)),
});
