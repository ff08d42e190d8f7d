/**
 * A query string as an object: `a=1` is text, `a[]=1` (or a repeated `a`) a list, `a[gte]=1` a nested object; a list and
 * an object under one name are a list that holds the object. An empty value counts as absent: that is how clients send
 * null. A key of any other form is a name like any other.
 */
export function parseQuery(search: URLSearchParams): Record<string, unknown> {
  const found = new Map<string, { values: string[]; isList: boolean; inner: Map<string, string[]> }>();
  for (const [key, value] of search) {
    const [, name = key, inner] = /^([^[\]]+)(?:\[([^[\]]*)\])?$/.exec(key) ?? [];
    if (value === "") continue;
    const entry = found.get(name) ?? { values: [], isList: false, inner: new Map<string, string[]>() };
    found.set(name, entry);
    if (inner) entry.inner.set(inner, [...(entry.inner.get(inner) ?? []), value]);
    else {
      entry.values.push(value);
      entry.isList ||= inner === "";
    }
  }
  return Object.fromEntries(
    [...found].map(([name, { values, isList, inner }]) => {
      if (inner.size === 0) return [name, isList ? values : oneOrList(values)];
      const object = Object.fromEntries([...inner].map(([key, texts]) => [key, oneOrList(texts)]));
      return [name, values.length === 0 ? object : [...values, object]];
    }),
  );
}

const oneOrList = (values: string[]): string | string[] | undefined =>
  values.length > 1 ? values : values[0];
