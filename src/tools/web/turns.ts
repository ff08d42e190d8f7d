/** Lets so many work at once; the others wait, first come, first served. */
export interface Turns {
  /** Resolves with what ends the turn. Rejects when the wait is aborted. */
  take(signal: AbortSignal): Promise<() => void>;
}

export function createTurns(max: number): Turns {
  let busy = 0;
  const waiting: (() => void)[] = [];

  const release = () => {
    busy -= 1;
    waiting.shift()?.();
  };

  return {
    async take(signal) {
      while (busy >= max) {
        const turn = Promise.withResolvers<void>();
        const giveUp = () => turn.reject(signal.reason);
        waiting.push(turn.resolve);
        signal.addEventListener("abort", giveUp, { once: true });
        try {
          signal.throwIfAborted();
          await turn.promise;
        } finally {
          signal.removeEventListener("abort", giveUp);
          const at = waiting.indexOf(turn.resolve);
          if (at >= 0) waiting.splice(at, 1);
        }
      }
      busy += 1;
      return release;
    },
  };
}
