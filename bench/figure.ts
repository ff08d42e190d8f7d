/** One measured number, and the bar it must not pass. */
export interface Figure {
  area: string;
  what: string;
  unit: "ms" | "statements" | "files" | "processes" | "sandboxes" | "per s" | "MB" | "KiB" | "%";
  value: number;
  bar?: { at_most: number } | { at_least: number };
}

export const meetsBar = ({ value, bar }: Figure): boolean | null => {
  if (!bar) return null;
  return "at_most" in bar ? value <= bar.at_most : value >= bar.at_least;
};

const barText = ({ bar, unit }: Figure) => {
  if (!bar) return "";
  return "at_most" in bar ? `<= ${bar.at_most} ${unit}` : `>= ${bar.at_least} ${unit}`;
};

const valueText = ({ value, unit }: Figure) =>
  `${value >= 100 || Number.isInteger(value) ? Math.round(value) : value.toFixed(1)} ${unit}`;

/** A table that is also Markdown. */
export function table(figures: readonly Figure[]): string {
  const rows = figures.map((figure) => {
    const met = meetsBar(figure);
    return [
      figure.area,
      figure.what,
      valueText(figure),
      barText(figure),
      met === null ? "" : met ? "met" : "**missed**",
    ];
  });
  const all = [["area", "what", "measured", "bar", ""], ...rows];
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const line = (cells: string[]) => `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(" | ")} |`;
  const [head = [], ...body] = all;
  const rule = `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`;
  return [line(head), rule, ...body.map(line)].join("\n");
}
