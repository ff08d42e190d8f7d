import type { Span } from "./spans.ts";

/** What all spans of one name took together. */
export interface Spent {
  kind: Span["kind"];
  label: string;
  times: number;
  failed: number;
  total_ms: number;
  median_ms: number;
  longest: { id: string; ms: number };
  /** The last of those that failed. */
  failed_id: string | null;
}

/**
 * Where the time of a session went, the most first; what goes on still is not counted yet. Of a call the time in which
 * a person was waited for is left out: it has a row of its own.
 */
export function timeSpent(spans: readonly Span[]): Spent[] {
  const waits = spans.filter(({ kind }) => kind === "wait");
  const groups = new Map<string, { span: Span; ms: number }[]>();
  for (const span of spans) {
    if (span.end === null || span.kind === "turn") continue;
    const key = `${span.kind} ${span.label}`;
    const group = groups.get(key) ?? [];
    group.push({ span, ms: span.end - span.start - (span.kind === "tool" ? waitedIn(span, waits) : 0) });
    groups.set(key, group);
  }
  return [...groups.values()]
    .flatMap((group) => {
      group.sort((a, b) => a.ms - b.ms);
      const longest = group.at(-1);
      if (!longest) return [];
      const failed = group.map(({ span }) => span).filter((span) => span.failed);
      const last = failed.reduce<Span | null>((a, b) => (a && a.start > b.start ? a : b), null);
      return [
        {
          kind: longest.span.kind,
          label: longest.span.label,
          times: group.length,
          failed: failed.length,
          total_ms: group.reduce((sum, { ms }) => sum + ms, 0),
          median_ms: medianOf(group.map(({ ms }) => ms)),
          longest: { id: longest.span.id, ms: longest.ms },
          failed_id: last?.id ?? null,
        },
      ];
    })
    .sort((a, b) => b.total_ms - a.total_ms);
}

function waitedIn({ start, end }: Span, waits: readonly Span[]): number {
  return waits.reduce((sum, wait) => {
    const both = Math.min(end ?? start, wait.end ?? Number.POSITIVE_INFINITY) - Math.max(start, wait.start);
    return sum + Math.max(0, both);
  }, 0);
}

function medianOf(sorted: readonly number[]): number {
  const middle = sorted.length / 2;
  const [below = 0, above = below] = sorted.slice(Math.ceil(middle) - 1, Math.floor(middle) + 1);
  return (below + above) / 2;
}
