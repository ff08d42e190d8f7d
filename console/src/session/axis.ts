import type { Span } from "./spans.ts";

/** Where on the way from the first span to the last a time lies, from 0 to 1. */
export interface Axis {
  at(time: number): number;
  /** How much time something was going on in, in `ms`. */
  busy_ms: number;
}

/** What a pause takes of the axis at most. */
const pauseShare = 0.02;

/** Time in which nothing goes on but waiting, for a person or between turns, is drawn short: what runs is what one looks for. */
export function axisOf(spans: readonly Span[], now: number): Axis {
  // Of a clock that was set back, it is not the first span that began first.
  const first = spans.reduce((min, { start }) => Math.min(min, start), spans[0]?.start ?? now);
  const last = spans.reduce((max, { start, end }) => Math.max(max, end ?? now, start), first);
  const pauses = pausesIn(spans, first, last, now);
  const quiet = pauses.reduce((sum, { start, end }) => sum + end - start, 0);
  const busy = last - first - quiet;
  const most = Math.max(1, busy * pauseShare);
  const taken = (pause: Pause) => Math.min(pause.end - pause.start, most);
  const whole = Math.max(
    1,
    pauses.reduce((sum, pause) => sum + taken(pause), busy),
  );
  return {
    busy_ms: busy,
    at(time) {
      let drawn = time - first;
      for (const pause of pauses) {
        if (time <= pause.start) break;
        const passed = Math.min(time, pause.end) - pause.start;
        drawn -= passed - taken(pause) * (passed / (pause.end - pause.start));
      }
      return Math.min(1, Math.max(0, drawn / whole));
    },
  };
}

interface Pause {
  start: number;
  end: number;
}

/** What lies between turns, and where they wait for a person; in order, without overlaps. */
function pausesIn(spans: readonly Span[], first: number, last: number, now: number): Pause[] {
  const pauses: Pause[] = [];
  let reached = first;
  const add = (start: number, end: number) => {
    const from = Math.max(start, pauses.at(-1)?.end ?? first);
    if (end > from) pauses.push({ start: from, end });
  };
  for (const { kind, start, end } of spans) {
    if (kind === "turn") {
      add(reached, start);
      reached = Math.max(reached, end ?? now);
    } else if (kind === "wait") add(start, end ?? now);
  }
  add(reached, last);
  return pauses;
}
