/** Tells polls that wait that there may be work for an environment. A ring that is lost costs one poll, not an item. */
export interface WorkBells {
  ring(environmentId: string): void;
  /** Remembers one ring. */
  listen(environmentId: string): WorkBell;
}

export interface WorkBell {
  /** Resolves when it was rung, after so long, and on abort. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
  close(): void;
}

export function createWorkBells(): WorkBells {
  const listening = new Map<string, Set<() => void>>();
  return {
    ring(environmentId) {
      for (const hear of listening.get(environmentId) ?? []) hear();
    },
    listen(environmentId) {
      let rung = false;
      let wake = () => {};
      const hear = () => {
        rung = true;
        wake();
      };
      const others = listening.get(environmentId) ?? new Set();
      listening.set(environmentId, others.add(hear));
      return {
        async wait(ms, signal) {
          if (!rung && !signal.aborted) {
            await new Promise<void>((resolve) => {
              const timer = setTimeout(resolve, ms);
              wake = () => {
                clearTimeout(timer);
                resolve();
              };
              signal.addEventListener("abort", wake, { once: true });
            });
            signal.removeEventListener("abort", wake);
          }
          rung = false;
        },
        close() {
          others.delete(hear);
          if (others.size === 0) listening.delete(environmentId);
        },
      };
    },
  };
}
