import type { Clock } from "./gate.ts";

/** Stands still until it is told to go on. */
export function scriptedClock(): Clock & { pass(ms: number): void; timers(): number } {
  let now = 0;
  let timers: { at: number; act: () => void }[] = [];
  return {
    now: () => now,
    timers: () => timers.length,
    later(ms, act) {
      const timer = { at: now + ms, act };
      timers.push(timer);
      return {
        cancel: () => {
          timers = timers.filter((other) => other !== timer);
        },
      };
    },
    pass(ms) {
      const until = now + ms;
      for (;;) {
        const [next] = timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at);
        if (!next) break;
        timers = timers.filter((other) => other !== next);
        now = Math.max(now, next.at);
        next.act();
      }
      now = until;
    },
  };
}
