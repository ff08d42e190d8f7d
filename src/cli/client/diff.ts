export interface Line {
  mark: " " | "-" | "+";
  text: string;
}

/** The shortest way from some lines to others. Both are short: the table has a cell for each pair. */
export function diffOf(before: readonly string[], after: readonly string[]): Line[] {
  const common = before.map(() => new Uint32Array(after.length + 1));
  common.push(new Uint32Array(after.length + 1));
  const at = (a: number, b: number) => common[a]?.[b] ?? 0;
  for (let a = before.length - 1; a >= 0; a--) {
    const row = common[a] ?? new Uint32Array();
    for (let b = after.length - 1; b >= 0; b--)
      row[b] = before[a] === after[b] ? at(a + 1, b + 1) + 1 : Math.max(at(a + 1, b), at(a, b + 1));
  }
  const lines: Line[] = [];
  let a = 0;
  let b = 0;
  while (a < before.length || b < after.length) {
    const old = before[a];
    const fresh = after[b];
    if (old !== undefined && old === fresh) {
      lines.push({ mark: " ", text: old });
      a += 1;
      b += 1;
    } else if (old !== undefined && (fresh === undefined || at(a + 1, b) >= at(a, b + 1))) {
      lines.push({ mark: "-", text: old });
      a += 1;
    } else {
      lines.push({ mark: "+", text: fresh ?? "" });
      b += 1;
    }
  }
  return lines;
}
