import { z } from "zod";
import { invalid } from "./errors.ts";

/** Pages of lists: opaque cursors that say which list, in which order, and after what. */

export const order = z.enum(["asc", "desc"]);
export type Order = z.infer<typeof order>;

/** In UTC, to the microsecond: PostgreSQL knows fewer offsets than RFC 3339. */
function inUtc(time: string): string {
  const fraction = /\.(\d{1,6})/.exec(time)?.[1];
  const seconds = new Date(time.replace(/\.\d+/, "")).toISOString().slice(0, -".000Z".length);
  return fraction === undefined ? `${seconds}Z` : `${seconds}.${fraction}Z`;
}

/** A time as clients send it, read as UTC. PostgreSQL has no year 0. */
export const timestamp = z.iso
  .datetime({
    offset: true,
    abort: true,
    error: "must be an RFC 3339 time such as 2026-01-31T12:00:00Z",
  })
  .overwrite(inUtc)
  .refine((text) => /^(?!0000)\d{4}-/.test(text), "must be in the years 1 to 9999");

/** The largest `int` of PostgreSQL. */
export const intMax = 2 ** 31 - 1;

const wholeNumber = (text: unknown) =>
  typeof text === "string" && /^-?\d{1,15}$/.test(text) ? Number(text) : text;

/** Query parameters arrive as text; these read it. */
export const queryInteger = (range: z.ZodInt) => z.preprocess(wholeNumber, range);
export const queryBoolean = z.preprocess(
  (text) => (text === "true" ? true : text === "false" ? false : text),
  z.boolean("must be true or false"),
);
export const queryList = <Item extends z.ZodType>(item: Item, max = 100) =>
  z.preprocess((value) => (typeof value === "string" ? [value] : value), z.array(item).max(max));

export const pageQuery = (limits: { default: number; max: number } = { default: 20, max: 100 }) =>
  z.strictObject({
    limit: queryInteger(z.int().min(1).max(limits.max)).default(limits.default),
    page: z.string().max(2048).optional(),
  });

export interface Page<Item> {
  data: Item[];
  next_page: string | null;
}

export const pageOf = <Item extends z.ZodType>(item: Item) =>
  z.object({ data: z.array(item), next_page: z.string().nullable() });

export interface TwoWayPage<Item> extends Page<Item> {
  prev_page: string | null;
}

export const twoWayPageOf = <Item extends z.ZodType>(item: Item) =>
  z.object({ ...pageOf(item).shape, prev_page: z.string().nullable() });

/** Where a list sorted by time stands; ids break ties. */
export const timePosition = z.strictObject({ at: timestamp, id: z.string().max(100) });
export type TimePosition = z.infer<typeof timePosition>;

/** Where a list sorted by a number stands. */
export const numberPosition = z.strictObject({ number: z.int().min(0) });

/** What a cursor is bound to. `list` names one list, its parent's id included. */
export interface CursorScope {
  list: string;
  order: Order;
}

export interface Cursor<Position> {
  position: Position;
  /** Whether it asks for the items before the position instead of those after it. */
  back: boolean;
}

const cursorText = z.strictObject({
  list: z.string(),
  order,
  back: z.boolean(),
  position: z.unknown(),
});

export function encodeCursor(scope: CursorScope, position: unknown, back = false): string {
  const text = JSON.stringify({ list: scope.list, order: scope.order, back, position });
  return Buffer.from(text, "utf8").toString("base64url");
}

function decodedJson(text: string): unknown {
  try {
    return JSON.parse(Buffer.from(text, "base64url").toString("utf8"));
  } catch {
    return undefined;
  }
}

export function decodeCursor<Position>(
  text: string | undefined,
  scope: CursorScope,
  position: z.ZodType<Position>,
): Cursor<Position> | undefined {
  if (text === undefined) return undefined;
  const cursor = cursorText.safeParse(decodedJson(text));
  const place = position.safeParse(cursor.data?.position);
  if (!cursor.success || !place.success || cursor.data.list !== scope.list) {
    throw invalid("page: is not a cursor of this list; pass the next_page of an earlier answer");
  }
  if (cursor.data.order !== scope.order) {
    throw invalid(`page: was made with order=${cursor.data.order} and cannot go on with another order`);
  }
  return { position: place.data, back: cursor.data.back };
}

/** Bounds of a `created_at[...]` filter. */
export interface TimeRange {
  gt?: string | undefined;
  gte?: string | undefined;
  lt?: string | undefined;
  lte?: string | undefined;
}

const bound = timestamp.optional();
export const timeRange = z.strictObject({ gt: bound, gte: bound, lt: bound, lte: bound });
export const inclusiveTimeRange = z.strictObject({ gte: bound, lte: bound });

/** Microseconds since 1970: `Date` alone would round them to milliseconds. */
function microseconds(time: string): bigint {
  const fraction = /\.(\d+)/.exec(time)?.[1] ?? "";
  const seconds = BigInt(Date.parse(time.replace(/\.\d+/, ""))) / 1000n;
  return seconds * 1_000_000n + BigInt(fraction.slice(0, 6).padEnd(6, "0"));
}

/** A cursor goes on within the range it was made with; a range that leaves its position out is a mistake. */
export function requirePositionInRange(position: TimePosition, range: TimeRange = {}): void {
  const at = microseconds(position.at);
  const outside =
    (range.gt !== undefined && at <= microseconds(range.gt)) ||
    (range.gte !== undefined && at < microseconds(range.gte)) ||
    (range.lt !== undefined && at >= microseconds(range.lt)) ||
    (range.lte !== undefined && at > microseconds(range.lte));
  if (outside) throw invalid("page: lies outside the created_at filter; start again without page");
}

/** A page of `rows`, of which one more than `limit` was asked for. */
export function pageFrom<Row, Item>(
  rows: Row[],
  limit: number,
  scope: CursorScope,
  positionOf: (row: Row) => unknown,
  itemOf: (row: Row) => Item,
): Page<Item> {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  const more = rows.length > limit && last !== undefined;
  return { data: shown.map(itemOf), next_page: more ? encodeCursor(scope, positionOf(last)) : null };
}

/** Like `pageFrom`, for a list that can also be walked back. Rows asked for backwards come nearest first. */
export function twoWayPageFrom<Row, Item>(
  rows: Row[],
  limit: number,
  scope: CursorScope,
  cursor: { back: boolean } | undefined,
  positionOf: (row: Row) => unknown,
  itemOf: (row: Row) => Item,
): TwoWayPage<Item> {
  const back = cursor?.back ?? false;
  const shown = rows.slice(0, limit);
  if (back) shown.reverse();
  const first = shown[0];
  const last = shown.at(-1);
  const more = rows.length > limit;
  const hasNext = back || more;
  const hasPrevious = back ? more : cursor !== undefined;
  return {
    data: shown.map(itemOf),
    next_page: hasNext && last !== undefined ? encodeCursor(scope, positionOf(last)) : null,
    prev_page: hasPrevious && first !== undefined ? encodeCursor(scope, positionOf(first), true) : null,
  };
}
