import type { Body } from "./checked.ts";

/** Two people have changed the same thing: what of it goes together. */

export const same = (a: unknown, b: unknown): boolean =>
  JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .filter((name) => value[name] !== undefined)
      .sort()
      .map((name) => [name, sorted(value[name])]),
  );
}

export const isObject = (value: unknown): value is Body =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export interface Merged {
  body: Body;
  /** Paths that both have changed, and differently: there `mine` stands. */
  clashes: string[];
}

/** What both have changed since `base`, in one; objects name by name, all else as a whole. */
export function merged(base: Body, mine: Body, theirs: Body, prefix = ""): Merged {
  const clashes: string[] = [];
  const values: [string, unknown][] = [];
  const ownOf = (body: Body, name: string) => (Object.hasOwn(body, name) ? body[name] : undefined);
  for (const name of new Set([...Object.keys(theirs), ...Object.keys(mine)])) {
    const [before, own, other] = [ownOf(base, name), ownOf(mine, name), ownOf(theirs, name)];
    let value = own;
    if (same(own, before)) value = other;
    else if (!same(other, before) && !same(own, other)) {
      if (isObject(own) && isObject(other)) {
        const inner = merged(isObject(before) ? before : {}, own, other, `${prefix}${name}.`);
        value = inner.body;
        clashes.push(...inner.clashes);
      } else clashes.push(`${prefix}${name}`);
    }
    if (value !== undefined) values.push([name, value]);
  }
  return { body: Object.fromEntries(values), clashes };
}

/** The names whose values differ. */
export const changedNames = (before: Body, after: Body): string[] =>
  [...new Set([...Object.keys(before), ...Object.keys(after)])].filter(
    (name) => !same(before[name], after[name]),
  );
