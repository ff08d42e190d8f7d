import { painter, type Style, type Terminal, visibleLine } from "../terminal.ts";

/** A cell is text of anybody; it is made safe here. A style colours it where there is a terminal. */
export type Cell = string | { text: string; style: Style };

/** Rows under a head, in columns. On a terminal the last column ends where that does; elsewhere nothing is cut. */
export function table(head: readonly string[], rows: readonly Cell[][], out: Terminal): string {
  const paint = painter(out);
  const cells = rows.map((row) =>
    row.map((cell) => visibleLine(typeof cell === "string" ? cell : cell.text)),
  );
  const widths = head.map((name, n) =>
    cells.reduce((width, row) => Math.max(width, row[n]?.length ?? 0), name.length),
  );
  const line = (row: readonly string[], styles: (Style | undefined)[]) => {
    let room = out.isTTY ? out.columns || 100 : Number.POSITIVE_INFINITY;
    const parts = row.map((cell, n) => {
      const padded = n < row.length - 1 ? cell.padEnd(widths[n] ?? 0) : cell;
      const shown = padded.length > room ? `${padded.slice(0, Math.max(0, room - 1))}…` : padded;
      room -= padded.length + 2;
      const style = styles[n];
      return style === undefined ? shown : paint(style, shown);
    });
    return parts.join("  ").trimEnd();
  };
  const styleOf = (cell: Cell) => (typeof cell === "string" ? undefined : cell.style);
  return [
    line(
      head,
      head.map(() => "dim"),
    ),
    ...cells.map((row, n) => line(row, rows[n]?.map(styleOf) ?? [])),
    "",
  ].join("\n");
}

/** Names and values beneath each other; what has no value is left out. */
export function record(fields: readonly [name: string, value: Cell | null][], out: Terminal): string {
  const paint = painter(out);
  const shown = fields.flatMap(([name, value]) => (value === null || value === "" ? [] : [{ name, value }]));
  const width = Math.max(...shown.map(({ name }) => name.length));
  return shown
    .map(({ name, value }) => {
      const text = visibleLine(typeof value === "string" ? value : value.text);
      const painted = typeof value === "string" ? text : paint(value.style, text);
      return `${paint("dim", name.padEnd(width))}  ${painted}\n`;
    })
    .join("");
}

const units: [name: string, seconds: number][] = [
  ["d", 86_400],
  ["h", 3_600],
  ["m", 60],
  ["s", 1],
];

/** How long ago, to one unit: `3m ago`. What lies ahead is `in 3m`. */
export function ago(time: string, now = Date.now()): string {
  const seconds = Math.round((now - Date.parse(time)) / 1_000);
  const far = Math.abs(seconds);
  const [name, size] = units.find(([, size]) => far >= size) ?? ["s", 1];
  const text = `${Math.floor(far / size)}${name}`;
  if (far === 0) return "now";
  return seconds < 0 ? `in ${text}` : `${text} ago`;
}

/** When, and how long ago that was. */
export const when = (time: string): string => `${time.slice(0, 19)}Z (${ago(time)})`;

export function bytes(n: number): string {
  const names = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = n < 1 ? 0 : Math.min(names.length - 1, Math.floor(Math.log2(n) / 10));
  const value = n / 1024 ** power;
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${names[power]}`;
}
