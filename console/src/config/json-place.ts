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

/** Tells `seen` of each value with the names that lead to it, its parts first. */
function walk(text: string, seen: (path: readonly string[], range: Range) => void): void {
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
    if (take("{") || take("[")) {
      const close = open === "{" ? "}" : "]";
      for (let index = 0; !take(close); index += 1) {
        if (index > 0 && !take(",")) fail(`"," or "${close}"`);
        path.push(open === "{" ? key() : String(index));
        value();
        path.pop();
      }
    } else if (match(string) === null && match(plain) === null) fail("a value");
    seen(path, { start, end: at });
  }

  value();
  if (peek() !== "") fail("nothing more");
}

/** Null where the text is JSON. */
export function brokenAt(text: string): { at: number; message: string } | null {
  try {
    walk(text, () => {});
    return null;
  } catch (error) {
    if (error instanceof Broken) return { at: error.at, message: error.message };
    return { at: 0, message: "is nested too deeply" };
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
    walk(text, (names, range) => {
      const here = names.join(".");
      if (here === "" || names.length <= depth || (path !== here && !path.startsWith(`${here}.`))) return;
      depth = names.length;
      found = range;
    });
  } catch {
    return null;
  }
  return found;
}
