import assert from "node:assert/strict";
import type { Played } from "./play.ts";

/** A plan that is played again comes to the same, but for ids, times and ports: whatever is found can be looked at again. */
export function assertSame(
  first: { played: Played; trace: string[] },
  again: { played: Played; trace: string[] },
): void {
  assert.deepEqual(linesOf(again), linesOf(first), "played again it comes to something else");
}

function linesOf({ played, trace }: { played: Played; trace: string[] }): string[] {
  const known = new Map<string, string>();
  const numbered = (id: string) => {
    const number = known.get(id) ?? `id ${known.size + 1}`;
    known.set(id, number);
    return number;
  };
  return [...trace, ...logsOf(played)].map((line) => line.replace(anyId, numbered).replace(anyPort, "$1"));
}

const anyId = /\b[a-z]+_01[0-9A-Za-z]{10,}/g;
const anyPort = /(127\.0\.0\.\d):\d+/g;

const logsOf = ({ rows, forks }: Played): string[] => [
  ...rows.entries.map((entry) => JSON.stringify(entry, withoutTimes)),
  ...forks.flatMap(logsOf),
];

const withoutTimes = (key: string, value: unknown) => (times.has(key) ? undefined : value);

const times = new Set([
  "created_at",
  "retry_at",
  "running_since",
  "active_ms",
  "active_seconds",
  "turn_since",
  "turn_ms",
]);
