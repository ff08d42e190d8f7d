import { type KeyboardEvent, useEffect, useRef, useState, useSyncExternalStore } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { followTheme, shownTheme } from "../theme.ts";
import type { Chart } from "./series.ts";

/** Of the theme, in the order in which series take them. */
const colors = [
  ["--color-chart-1", "bg-chart-1"],
  ["--color-chart-2", "bg-chart-2"],
  ["--color-chart-3", "bg-chart-3"],
  ["--color-chart-4", "bg-chart-4"],
  ["--color-chart-5", "bg-chart-5"],
  ["--color-chart-6", "bg-chart-6"],
] as const;
const colorOf = (n: number) => colors[n % colors.length] ?? colors[0];

const heightPx = 260;

/**
 * Bars on top of each other, one for each bucket; lines where the series do not add up. With the pointer, and with the arrow keys,
 * one goes from bucket to bucket, and reads what is in each.
 */
export function BarChart({
  chart,
  format,
  nameOf,
  label,
}: {
  chart: Chart;
  format: (value: number) => string;
  /** What a bucket is called, by its time in `s`. */
  nameOf: (time: number) => string;
  label: string;
}) {
  const place = useRef<HTMLDivElement>(null);
  const plotted = useRef<uPlot | null>(null);
  const [at, setAt] = useState<number | null>(null);
  const theme = useSyncExternalStore(followTheme, shownTheme);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a canvas has the colors of the theme it was drawn in
  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const plot = new uPlot(
      optionsOf(element, chart, format, nameOf, setAt),
      [chart.times, ...dataOf(chart)],
      element,
    );
    plotted.current = plot;
    const watch = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: heightPx }));
    watch.observe(element);
    return () => {
      watch.disconnect();
      plot.destroy();
      plotted.current = null;
    };
  }, [chart, format, nameOf, theme]);

  const last = chart.times.length - 1;
  const shown = at === null ? null : Math.min(at, last);
  const move = (event: KeyboardEvent) => {
    const from = shown ?? last + 1;
    const targets: Record<string, number> = {
      ArrowLeft: from - 1,
      ArrowDown: from - 1,
      ArrowRight: shown === null ? 0 : from + 1,
      ArrowUp: shown === null ? 0 : from + 1,
      Home: 0,
      End: last,
    };
    const target = targets[event.key];
    if (target === undefined) return;
    event.preventDefault();
    const n = Math.max(0, Math.min(target, last));
    setAt(n);
    const plot = plotted.current;
    const time = chart.times[n];
    if (plot && time !== undefined) plot.setCursor({ left: plot.valToPos(time, "x"), top: 0 }, false);
  };
  return (
    <figure className="rounded-lg border border-line bg-raised p-3">
      <p className="mb-2 min-h-10 text-muted sm:min-h-5">
        {shown === null ? (
          "Point at the chart, or go through it with the arrow keys, to read what is in it."
        ) : (
          <span className="text-ink">{readout(chart, shown, format, nameOf)}</span>
        )}
      </p>
      <div
        ref={place}
        role="slider"
        tabIndex={0}
        aria-label={label}
        aria-valuemin={0}
        aria-valuemax={Math.max(last, 0)}
        aria-valuenow={shown ?? 0}
        aria-valuetext={shown === null ? label : readout(chart, shown, format, nameOf)}
        onKeyDown={move}
      />
      <figcaption className="mt-2 flex flex-wrap gap-x-4 gap-y-1 text-muted">
        {chart.series.map(({ name }, n) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: two may have one name, and each its color by its place
          <span key={n} className="inline-flex min-w-0 items-center gap-1.5">
            <span className={`size-2.5 shrink-0 rounded-sm ${colorOf(n)[1]}`} aria-hidden="true" />
            <span className="truncate">{name}</span>
          </span>
        ))}
      </figcaption>
    </figure>
  );
}

/** "10 Mar: $1.20 (Analyst $1.00, tester $0.20)". */
function readout(
  { times, series, stacked }: Chart,
  n: number,
  format: (value: number) => string,
  nameOf: (time: number) => string,
): string {
  const parts = series.flatMap(({ name, values }) => {
    const value = values[n];
    return value === null || value === undefined || (stacked && value === 0)
      ? []
      : [`${name} ${format(value)}`];
  });
  const bucket = nameOf(times[n] ?? 0);
  if (parts.length === 0) return `${bucket}: nothing`;
  if (!stacked) return `${bucket}: ${parts.join(", ")}`;
  const all = series.reduce((sum, { values }) => sum + (values[n] ?? 0), 0);
  return series.length === 1
    ? `${bucket}: ${format(all)}`
    : `${bucket}: ${format(all)} (${parts.join(", ")})`;
}

/** What lies in front is drawn last: the sums first, the first series over them. */
const dataOf = ({ times, series, stacked }: Chart): (number | null)[][] =>
  stacked
    ? series
        .map((_, n) =>
          times.map((_, i) => series.slice(0, n + 1).reduce((sum, { values }) => sum + (values[i] ?? 0), 0)),
        )
        .toReversed()
    : series.map(({ values }) => values);

function optionsOf(
  element: HTMLElement,
  { times, series, stacked }: Chart,
  format: (value: number) => string,
  nameOf: (time: number) => string,
  tell: (n: number | null) => void,
): uPlot.Options {
  const color = (variable: string) => resolved(element, variable);
  const paths = uPlot.paths.bars?.({ size: [0.7, 60] });
  const [first = 0, next = first + 86_400] = times;
  const half = (next - first) / 2;
  const axis = {
    stroke: color("--color-muted"),
    grid: { stroke: color("--color-line"), width: 1 },
    ticks: { show: false },
  };
  const looks: uPlot.Series[] = series.map((_, n) => {
    const own = color(colorOf(n)[0]);
    return stacked
      ? { fill: own, stroke: own, width: 0, paths, points: { show: false } }
      : { stroke: own, width: 2, points: { show: true, size: 7, fill: own, stroke: own } };
  });
  return {
    width: element.clientWidth,
    height: heightPx,
    legend: { show: false },
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false, setScale: false } },
    hooks: {
      setCursor: [({ cursor }) => tell(cursor.idx ?? null)],
    },
    scales: {
      // Half a bucket on both sides: bars stand around their times.
      x: { range: (_, min, max) => [min - half, max + half] },
      y: { range: (_, __, max) => [0, stacked ? max * 1.05 || 1 : 1] },
    },
    axes: [
      {
        ...axis,
        size: 30,
        grid: { show: false },
        splits: () => times,
        values: (plot, splits) => {
          // As many as have room.
          const every = Math.ceil((splits.length * 60) / plot.width);
          return splits.map((at, n) => (n % every === 0 ? nameOf(at) : ""));
        },
      },
      { ...axis, size: 70, values: (_, values) => values.map(format) },
    ],
    series: [{}, ...(stacked ? looks.toReversed() : looks)],
  };
}

/** A canvas does not know variables, nor `light-dark()`. */
function resolved(element: HTMLElement, variable: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(${variable})`;
  element.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
