export interface Line {
  mark: " " | "-" | "+";
  text: string;
}

/** A table of so many is made in a moment; of more lines all are the old ones, and then the new ones. */
const cells_max = 4_000_000;

/** The shortest way from some lines to others. */
export function diffOf(before: readonly string[], after: readonly string[]): Line[] {
  const most = Math.min(before.length, after.length);
  let head = 0;
  while (head < most && before[head] === after[head]) head += 1;
  let tail = 0;
  while (tail < most - head && before.at(-1 - tail) === after.at(-1 - tail)) tail += 1;
  return [
    ...marked(" ", before.slice(0, head)),
    ...changed(before.slice(head, before.length - tail), after.slice(head, after.length - tail)),
    ...marked(" ", before.slice(before.length - tail)),
  ];
}

const marked = (mark: Line["mark"], lines: readonly string[]): Line[] =>
  lines.map((text) => ({ mark, text }));

/** The table has a cell for each pair. */
function changed(before: readonly string[], after: readonly string[]): Line[] {
  if (before.length * after.length > cells_max) return [...marked("-", before), ...marked("+", after)];
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
