import type { z } from "zod";

/** A request's body as it is written by hand: JSON, held against the server's own schema. */

export interface Mistake {
  /** Such as `tools.0.name`; empty for the whole. */
  path: string;
  message: string;
}

export type Body = Record<string, unknown>;

export const written = (body: unknown): string => JSON.stringify(body, null, 2);

/** `body` is null when the text is no object of JSON. */
export function checked(text: string, schema: z.ZodType): { body: Body | null; mistakes: Mistake[] } {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (error) {
    return { body: null, mistakes: [{ path: "", message: (error as Error).message }] };
  }
  if (typeof body !== "object" || body === null || Array.isArray(body))
    return { body: null, mistakes: [{ path: "", message: "must be an object" }] };
  const { error } = schema.safeParse(body);
  return {
    body: body as Body,
    mistakes: (error?.issues ?? []).map(({ path, message }) => ({ path: path.join("."), message })),
  };
}

export const mistakeAt = (mistakes: readonly Mistake[], path: string): string | undefined =>
  mistakes.find((one) => one.path === path || one.path.startsWith(`${path}.`))?.message;

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

/** An update that leaves the thing as `after` says: what was there before and is not any more is cleared. */
export const updateOf = (before: Body, after: Body): Body => ({
  ...Object.fromEntries(
    Object.keys(before)
      .filter((name) => !(name in after))
      .map((name) => [name, null]),
  ),
  ...after,
});
