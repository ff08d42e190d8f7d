import { setTimeout as pause } from "node:timers/promises";

/** What all that one test waits for may take together. When that is used up, who still waits hears for what. */
export interface Patience {
  /** What `run` resolves with, once it does; as long as it rejects it is run again. */
  until<Result>(what: string, run: () => Promise<Result>): Promise<Result>;
  over(): boolean;
  /** Nobody is to wait any more. */
  end(): void;
}

const againMs = 100;

/** `report` tells, once, how those are for whom was waited. */
export function patience(ms: number, report: () => Promise<string>): Patience {
  const over = new AbortController();
  const timer = setTimeout(() => over.abort(), ms);
  const gaveUp = new Promise<null>((resolve) => {
    over.signal.addEventListener("abort", () => resolve(null));
  });
  let reported: Promise<string> | null = null;

  return {
    async until(what, run) {
      let last: unknown = "the first try has not ended";
      async function tries() {
        while (!over.signal.aborted) {
          try {
            return { result: await run() };
          } catch (error) {
            last = error;
            await pause(againMs);
          }
        }
        return null;
      }
      const found = await Promise.race([tries(), gaveUp]);
      if (found) return found.result;
      reported ??= report();
      throw new Error(`waited in vain for ${what}: ${last}\n${await reported}`);
    },
    over: () => over.signal.aborted,
    end() {
      clearTimeout(timer);
      over.abort();
    },
  };
}
