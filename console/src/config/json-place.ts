/** Where things are in a text of JSON, and where it is none: browsers say that differently, and some not at all. */

export interface Range {
  start: number;
  end: number;
}

/** Line and column, from 1. */
export function lineOf(text: string, at: number): { line: number; column: number } {
  const before = text.slice(0, at).split("\n");
  return { line: before.length, column: (before.at(-1) ?? "").length + 1 };
}

class Broken extends Error {
  readonly at: number;
  constructor(message: string, at: number) {
    super(message);
    this.at = at;
  }
}

const space = /[ \t\n\r]*/y;
const string = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const plain = /(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?|true|false|null)(?![\w.+-])/y;

interface Seen {
  value?: (path: readonly string[], range: Range) => void;
  /** A name that an object has had before; the range is that of its value. */
  again?: (path: readonly string[], range: Range) => void;
}

/** Whatever looks at a value goes into it level by level. */
const depthMax = 500;

/** Tells of each value with the names that lead to it, its parts first. */
function walk(text: string, seen: Seen): void {
  let at = 0;
  const path: string[] = [];

  function match(form: RegExp): string | null {
    form.lastIndex = at;
    const found = form.exec(text);
    if (!found) return null;
    at = form.lastIndex;
    return found[0];
  }
  const peek = (): string => {
    match(space);
    return text[at] ?? "";
  };
  const take = (one: string): boolean => {
    if (peek() !== one) return false;
    at += 1;
    return true;
  };
  const fail = (expected: string): never => {
    const found = peek();
    throw new Broken(found === "" ? `ends too early: expected ${expected}` : `expected ${expected}`, at);
  };
  const key = (): string => {
    peek();
    const found = match(string);
    if (found === null) return fail("a name in double quotes");
    if (!take(":")) fail('":"');
    return JSON.parse(found) as string;
  };

  function value(): void {
    const open = peek();
    const start = at;
    if (path.length > depthMax) throw new Broken("is nested too deeply", at);
    if (take("{") || take("[")) {
      const close = open === "{" ? "}" : "]";
      const names = new Set<string>();
      for (let index = 0; !take(close); index += 1) {
        if (index > 0 && !take(",")) fail(`"," or "${close}"`);
        const name = open === "{" ? key() : String(index);
        path.push(name);
        peek();
        const begin = at;
        value();
        if (names.has(name)) seen.again?.(path, { start: begin, end: at });
        names.add(name);
        path.pop();
      }
    } else if (match(string) === null && match(plain) === null) fail("a value");
    seen.value?.(path, { start, end: at });
  }

  value();
  if (peek() !== "") fail("nothing more");
}

/** Null where the text is JSON. */
export function brokenAt(text: string): { at: number; message: string } | null {
  try {
    walk(text, {});
    return null;
  } catch (error) {
    if (error instanceof Broken) return { at: error.at, message: error.message };
    throw error;
  }
}

/**
 * Of a text that is JSON: the value at a path such as `tools.0.name`, or as much of the path as there is. Null for the whole, and
 * where the text is none.
 */
export function rangeOf(text: string, path: string): Range | null {
  let found: Range | null = null;
  let depth = 0;
  try {
    walk(text, {
      value(names, range) {
        const here = names.join(".");
        if (here === "" || names.length <= depth || (path !== here && !path.startsWith(`${here}.`))) return;
        depth = names.length;
        found = range;
      },
    });
  } catch {
    return null;
  }
  return found;
}

/** What of a text that is JSON is not in what it is read as: of a name that is there twice the first value, of a number digits. */
export function lostIn(text: string): { path: string; message: string; at: number }[] {
  const found: { path: string; message: string; at: number }[] = [];
  walk(text, {
    again: (names, { start }) =>
      found.push({
        path: names.join("."),
        message: "is there twice: only the last would be kept",
        at: start,
      }),
    value(names, { start, end }) {
      const first = text[start] ?? "";
      if (first !== "-" && !(first >= "0" && first <= "9")) return;
      const digits = text.slice(start, end);
      if (!isKept(digits))
        found.push({
          path: names.join("."),
          message: `cannot be kept: it would be ${Number(digits)}`,
          at: start,
        });
    },
  });
  return found;
}

/** Of fractions nobody expects all of their digits. */
function isKept(number: string): boolean {
  const read = Number(number);
  if (!Number.isFinite(read)) return false;
  if (/^-?\d+$/.test(number)) return BigInt(number) === BigInt(read);
  return read !== 0 || !/[1-9]/.test(number.replace(/e.*/i, ""));
}
