import type { z } from "zod";
import { problemsWith } from "../../../src/protocol/problems.ts";
import { Problem } from "../api/request.ts";
import { brokenAt, lostIn } from "./json-place.ts";
import { isObject, same } from "./merge.ts";

/** A request's body as it is written by hand: JSON, held against the server's own schema. */

export interface Mistake {
  /** Such as `tools.0.name`; empty for the whole. */
  path: string;
  message: string;
  /** Where the text is no JSON, or says what JSON cannot keep. */
  at?: number;
}

export type Body = Record<string, unknown>;

export const written = (body: unknown): string => JSON.stringify(body, null, 2);

/** `body` is null when the text is no object of JSON. Without a schema, only that is looked at. */
export function checked(text: string, schema: z.ZodType | null): { body: Body | null; mistakes: Mistake[] } {
  let body: unknown;
  let lost: Mistake[];
  try {
    body = JSON.parse(text);
    lost = lostIn(text);
  } catch {
    return { body: null, mistakes: [{ path: "", ...(brokenAt(text) ?? { message: "is no JSON" }) }] };
  }
  if (!isObject(body)) return { body: null, mistakes: [{ path: "", message: "must be an object" }] };
  if (!schema) return { body, mistakes: [] };
  const problems = problemsWith(schema, body).map(({ path, message }) => ({ path: path.join("."), message }));
  return { body, mistakes: [...lost, ...problems] };
}

export const isAt = (path: string, place: string): boolean => path === place || path.startsWith(`${place}.`);

/** What is said of a field; of what lies within it, with where. */
export function mistakeAt(mistakes: readonly Mistake[], place: string): string | undefined {
  const said = mistakes
    .filter(({ path }) => isAt(path, place))
    .map(({ path, message }) => (path === place ? message : `${path.slice(place.length + 1)}: ${message}`));
  return said.length > 0 ? said.join("; ") : undefined;
}

/** What the server has refused, at the fields that it names; null where it names none. */
export function refusedFields(error: unknown, fields: readonly string[]): Mistake[] | null {
  if (!(error instanceof Problem) || error.status !== 400) return null;
  const mistakes = error.message.split("; ").map((text) => {
    const [, path, message] = /^([a-z_]\w*(?:\.[^\s:]+)*): (.*)$/s.exec(text) ?? [];
    return path !== undefined && message !== undefined && fields.includes(path.split(".")[0] ?? "")
      ? { path, message }
      : null;
  });
  const found = mistakes.flatMap((mistake) => mistake ?? []);
  return found.length > 0 && found.length === mistakes.length ? found : null;
}

/** What a client would send to make a thing as it is: `fields` of it, without those that say nothing. */
export function bodyOf(thing: object, fields: readonly string[]): Body {
  const saysSomething = (value: unknown) =>
    value !== null &&
    value !== undefined &&
    !(typeof value === "object" && Object.keys(value as object).length === 0);
  return Object.fromEntries(
    Object.entries(thing).filter(([name, value]) => fields.includes(name) && saysSomething(value)),
  );
}

/** The names of `before` that are not in `after`, each with null: what an update clears. */
const cleared = (before: unknown, after: unknown): Body =>
  Object.fromEntries(
    Object.keys(isObject(before) ? before : {})
      .filter((name) => !isObject(after) || !Object.hasOwn(after, name))
      .map((name) => [name, null]),
  );

const ownOf = (thing: unknown, name: string): unknown =>
  isObject(thing) && Object.hasOwn(thing, name) ? thing[name] : undefined;

const changed = (before: unknown, after: Body): Body =>
  Object.fromEntries(Object.entries(after).filter(([name, value]) => !same(value, ownOf(before, name))));

/**
 * An update that leaves the thing as `after` says: what was there before and is not any more is cleared, of its metadata too.
 * What is the same is not named: whatever else is done to it stays.
 */
export function updateOf(before: Body, after: Body): Body {
  const { metadata } = after;
  const update = { ...cleared(before, after), ...changed(before, after) };
  if (!("metadata" in update) || !(metadata === undefined || isObject(metadata))) return update;
  return {
    ...update,
    metadata: { ...cleared(before.metadata, metadata), ...changed(before.metadata, metadata ?? {}) },
  };
}
