import type { Measure } from "./series.ts";

/** Which time a report is of, and what of it. Its buckets are hours or days of UTC. */

export const ranges = { "24h": "24 hours", "7d": "7 days", "31d": "31 days", "90d": "90 days" } as const;
export type Range = keyof typeof ranges;
export const groups = { agent_id: "by agent", model: "by model", none: "all together" } as const;
export type Group = keyof typeof groups;

export interface UsageSearch {
  range?: Range;
  group?: Group;
  measure?: Measure;
  /** When the time that is shown ends; without it, now. */
  until?: string;
}

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const daysOf: Record<Range, number> = { "24h": 1, "7d": 7, "31d": 31, "90d": 90 };

export interface Span {
  /** In `ms` since 1970; both are beginnings of buckets. */
  from: number;
  to: number;
  width: "1h" | "1d";
}

const bucketMs = (range: Range) => (range === "24h" ? hourMs : dayMs);

/** That which ends with `until`, or else with the present bucket. */
export function spanOf(range: Range, until: string | undefined, now = Date.now()): Span {
  const bucket = bucketMs(range);
  const present = Math.floor(now / bucket) * bucket + bucket;
  const asked = until === undefined ? Number.NaN : Date.parse(until);
  const to = Number.isNaN(asked) ? present : Math.min(Math.ceil(asked / bucket) * bucket, present);
  return { from: to - daysOf[range] * dayMs, to, width: range === "24h" ? "1h" : "1d" };
}

/** The `until` of the span before this one, or behind it; nothing where that is the present one. */
export const earlier = ({ from }: Span): string => new Date(from).toISOString();
export function later(range: Range, { from, to }: Span, now = Date.now()): string | undefined {
  const until = to + (to - from);
  return until >= spanOf(range, undefined, now).to ? undefined : new Date(until).toISOString();
}

const dayNames = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
const hourNames = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });

/** What a bucket is called: a day by its date in UTC, an hour by when it begins in the zone of whoever looks. */
export const bucketName = (width: Span["width"], at: number): string =>
  (width === "1d" ? dayNames : hourNames).format(at);

/** How the buckets lie in the zone of whoever looks. */
export function zoneNote(
  width: Span["width"],
  zone = Intl.DateTimeFormat().resolvedOptions().timeZone,
): string {
  if (width === "1h") return `Hours are shown in your time zone, ${zone}.`;
  const midnight = new Date();
  midnight.setUTCHours(0, 0, 0, 0);
  const begins = new Intl.DateTimeFormat("en-GB", {
    hour: "2-digit",
    minute: "2-digit",
    timeZone: zone,
  }).format(midnight);
  return begins === "00:00"
    ? `Days are those of UTC, which are yours too (${zone}).`
    : `Days are those of UTC: in your time zone, ${zone}, each begins at ${begins}.`;
}
