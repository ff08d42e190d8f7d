import { z } from "zod";
import { sessionEventTypes } from "./events.ts";
import { order, pageQuery, queryList, timeRange } from "./page.ts";

export const listEventsQuery = pageQuery({ default: 1000, max: 1000 }).extend({
  order: order.default("asc"),
  types: queryList(z.enum(sessionEventTypes)).optional(),
  /** Compared with `processed_at`. */
  created_at: timeRange.optional(),
});
export type ListEvents = z.infer<typeof listEventsQuery>;

const place = z.int().min(0).nullable();

/**
 * Where a list of events stands, by seq: among those that were taken up, and among those that waited to be. `head` is the
 * newest seq of the log that it shows.
 */
export const placeInLog = z.strictObject({ head: z.int().min(0), taken: place, waiting: place });
export type PlaceInLog = z.infer<typeof placeInLog>;

export const streamQuery = z.strictObject({
  /** A cursor from an `id:` line; `0` is the beginning. Beyond the official API. */
  after: z.string().max(100).optional(),
  /** Only events of these types. Beyond the official API. */
  types: queryList(z.enum(sessionEventTypes)).optional(),
  /** Which events to preview while they are being written. */
  event_deltas: queryList(z.enum(["agent.message", "agent.thinking"])).optional(),
});
export type StreamQuery = z.infer<typeof streamQuery>;
