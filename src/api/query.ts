/**
 * A query string as an object: `a=1` is text, `a[]=1` (or a repeated `a`) a list, `a[gte]=1` a nested object. An empty
 * value counts as absent: that is how clients send null. A key of any other form is a name like any other.
 */
export function parseQuery(search: URLSearchParams): Record<string, unknown> {
  const lists = new Map<string, { values: string[]; isList: boolean }>();
  const nested = new Map<string, Map<string, string>>();
  for (const [key, value] of search) {
    const [, name = key, inner] = /^([^[\]]+)(?:\[([^[\]]*)\])?$/.exec(key) ?? [];
    if (value === "") continue;
    if (inner) {
      const entries = nested.get(name) ?? new Map<string, string>();
      nested.set(name, entries.set(inner, value));
    } else {
      const entry = lists.get(name) ?? { values: [], isList: false };
      entry.values.push(value);
      entry.isList ||= inner === "" || entry.values.length > 1;
      lists.set(name, entry);
    }
  }
  return Object.fromEntries([
    ...[...lists].map(([name, { values, isList }]) => [name, isList ? values : values[0]]),
    ...[...nested].map(([name, entries]) => [name, Object.fromEntries(entries)]),
  ]);
}
