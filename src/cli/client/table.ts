import { cut, displayWidth } from "../display-width.ts";
import { painter, type Style, type Terminal, visibleLine } from "../terminal.ts";

/** A cell is text of anybody; it is made safe here. A style colours it where there is a terminal. */
export type Cell = string | number | { text: string; style?: Style; is_number?: boolean };

const textOf = (cell: Cell): string =>
  typeof cell === "object" ? visibleLine(cell.text) : visibleLine(String(cell));

/** Cells of a row in a line, where there are no columns. */
export const cellsLine = (cells: readonly Cell[]): string => cells.map(textOf).join("  ");

/** Rows under a head, in columns. A terminal's lines end where it does, and its widest columns are cut first; elsewhere nothing is. */
export function table(head: readonly string[], rows: readonly Cell[][], out: Terminal): string {
  const paint = painter(out);
  const room = roomOf(out);
  const cells = rows.map((row) => row.map(textOf));
  const isNumeric = head.map((_, n) => rows.some((row) => isNumber(row[n])));
  const widths = fitted(
    head.map((name, n) =>
      cells.reduce((width, row) => Math.max(width, displayWidth(row[n] ?? "")), displayWidth(name)),
    ),
    isNumeric,
    room,
  );
  const line = (row: readonly string[], styles: (Style | undefined)[]) => {
    let left = room;
    let text = "";
    for (const [n, cell] of row.entries()) {
      const width = widths[n] ?? 0;
      const shown = cut(cut(cell, width), Math.max(0, left));
      const pad = " ".repeat(Math.max(0, Math.min(left, width) - displayWidth(shown)));
      const style = styles[n];
      const painted = style === undefined || shown === "" ? shown : paint(style, shown);
      text += isNumeric[n] ? pad + painted : painted + pad;
      left -= width + 2;
      if (left <= 0) break;
      text += "  ";
    }
    return text.trimEnd();
  };
  const styleOf = (cell: Cell) => (typeof cell === "object" ? cell.style : undefined);
  return [
    line(
      head,
      head.map(() => "dim"),
    ),
    ...cells.map((row, n) => line(row, rows[n]?.map(styleOf) ?? [])),
    "",
  ].join("\n");
}

const isNumber = (cell: Cell | undefined): boolean =>
  typeof cell === "number" || (typeof cell === "object" && cell.is_number === true);

const roomOf = (out: Terminal): number => (out.isTTY ? out.columns || 100 : Number.POSITIVE_INFINITY);

/** A column that is cut still shows this much. */
const leastWidth = 8;

/** The first column, mostly an id, and numbers are worth nothing when they are cut. */
function fitted(widths: readonly number[], isNumeric: readonly boolean[], room: number): number[] {
  const fit = widths.map((width) => Math.min(width, room));
  const taken = () => fit.reduce((sum, width) => sum + width + 2, -2);
  while (taken() > room) {
    const widest = fit.reduce(
      (best, width, n) =>
        n > 0 && !isNumeric[n] && width > leastWidth && width > (fit[best] ?? 0) ? n : best,
      -1,
    );
    if (widest < 0) return fit;
    fit[widest] = (fit[widest] ?? 0) - 1;
  }
  return fit;
}

/** Names and values beneath each other; what has no value is left out. */
export function record(fields: readonly [name: string, value: Cell | null][], out: Terminal): string {
  const paint = painter(out);
  const shown = fields.flatMap(([name, value]) => (value === null || value === "" ? [] : [{ name, value }]));
  const width = Math.max(...shown.map(({ name }) => name.length));
  return shown
    .map(({ name, value }) => {
      const text = textOf(value);
      const painted = typeof value === "object" && value.style ? paint(value.style, text) : text;
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

/** Of an amount in cents, as the API writes it. Less than a dollar is told more closely. */
export function dollarsOf(cents: string | number): string {
  const value = Number(cents) / 100;
  return `$${value.toFixed(value > 0 && value < 1 ? 4 : 2)}`;
}
