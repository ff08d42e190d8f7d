import { limits } from "../limits.ts";

/** Time as the gate sees it: `ms`, and something done later unless it is cancelled. */
export interface Clock {
  now(): number;
  later(ms: number, act: () => void): { cancel(): void };
}

export const machineClock: Clock = {
  now: () => performance.now(),
  later(ms, act) {
    const timer = setTimeout(act, ms);
    return { cancel: () => clearTimeout(timer) };
  },
};

export interface GateLimits {
  max_concurrency: number | null;
  requests_per_minute: number | null;
}

export type Entry =
  /** `leave` is to be called once. */
  | { entered: true; leave(): void }
  /** It would have taken too long. */
  | { entered: false; retry_after_ms: number | null };

/** Lets requests to one provider pass in their order, as its limits and its wishes for a pause allow. */
export interface Gate {
  enter(signal: AbortSignal): Promise<Entry>;
  /** How long the provider still wants not to be asked, in `ms`. */
  pausedFor(): number;
  /** The provider does not want to be asked for so long. It is asked again after a while, whatever it said. */
  pause(ms: number): void;
}

const minute_ms = 60_000;

interface Waiting {
  settle(entry: Entry): void;
}

export function createGate({ max_concurrency, requests_per_minute }: GateLimits, clock: Clock): Gate {
  const waiting: Waiting[] = [];
  /** When the requests of the last minute began, the oldest first. */
  let begun: number[] = [];
  let running = 0;
  let pausedUntil = 0;
  let timer: { cancel(): void } | null = null;

  /** `ms` until time alone would let the next one in; 0 where it does now. */
  function untilOpen(): number {
    const now = clock.now();
    begun = begun.filter((start) => start > now - minute_ms);
    const place = requests_per_minute === null ? undefined : begun.at(-requests_per_minute);
    return Math.max(0, pausedUntil - now, place === undefined ? 0 : place + minute_ms - now);
  }

  function letIn(): void {
    timer?.cancel();
    timer = null;
    while (waiting.length > 0 && (max_concurrency === null || running < max_concurrency)) {
      const ms = untilOpen();
      if (ms > 0) {
        timer = clock.later(ms, letIn);
        return;
      }
      running += 1;
      begun.push(clock.now());
      waiting.shift()?.settle({ entered: true, leave });
    }
  }

  function leave(): void {
    running -= 1;
    letIn();
  }

  return {
    enter(signal) {
      return new Promise((resolve) => {
        const refuse = () => {
          waiting.splice(waiting.indexOf(self), 1);
          const ms = untilOpen();
          self.settle({ entered: false, retry_after_ms: ms > 0 ? ms : null });
          letIn();
        };
        const tooLong = clock.later(limits.model_turn_wait_ms_max, refuse);
        const self: Waiting = {
          settle(entry) {
            tooLong.cancel();
            signal.removeEventListener("abort", refuse);
            resolve(entry);
          },
        };
        signal.addEventListener("abort", refuse, { once: true });
        waiting.push(self);
        if (signal.aborted) refuse();
        else letIn();
      });
    },
    pausedFor: () => Math.max(0, pausedUntil - clock.now()),
    pause(ms) {
      pausedUntil = Math.max(pausedUntil, clock.now() + Math.min(ms, limits.model_pause_ms_max));
    },
  };
}
