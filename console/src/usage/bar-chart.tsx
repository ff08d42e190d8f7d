import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Chart } from "./series.ts";

/** Of the theme, in the order in which series take them. */
const colors = [
  ["--color-accent", "bg-accent"],
  ["--color-good", "bg-good"],
  ["--color-warn", "bg-warn"],
  ["--color-bad", "bg-bad"],
  ["--color-muted", "bg-muted"],
  ["--color-ink", "bg-ink"],
] as const;
const colorOf = (n: number) => colors[n % colors.length] ?? colors[0];

const heightPx = 260;

/** Bars on top of each other, one for each bucket. It says in words what it shows to whoever cannot see it. */
export function BarChart({
  chart,
  format,
  label,
}: {
  chart: Chart;
  format: (value: number) => string;
  label: string;
}) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const color = (variable: string) => resolved(element, variable);
    const paths = uPlot.paths.bars?.({ size: [0.7, 60] });
    // What lies in front is drawn last: the sums first, the first series over them.
    const sums = chart.series.map((_, n) =>
      chart.times.map((_, i) =>
        chart.series.slice(0, n + 1).reduce((sum, { values }) => sum + (values[i] ?? 0), 0),
      ),
    );
    const [first = 0, next = first + 86_400] = chart.times;
    const half = (next - first) / 2;
    const ofBucket = new Intl.DateTimeFormat("en-GB", {
      timeZone: "UTC",
      ...(next - first < 86_400
        ? { hour: "2-digit", minute: "2-digit" }
        : { day: "numeric", month: "short" }),
    });
    const axis = {
      stroke: color("--color-muted"),
      grid: { stroke: color("--color-line"), width: 1 },
      ticks: { show: false },
    };
    const plot = new uPlot(
      {
        width: element.clientWidth,
        height: heightPx,
        legend: { show: false },
        cursor: { show: false },
        scales: {
          // Half a bucket on both sides: bars stand around their times.
          x: { range: (_, min, max) => [min - half, max + half] },
          y: { range: (_, __, max) => [0, max * 1.05 || 1] },
        },
        axes: [
          {
            ...axis,
            grid: { show: false },
            splits: () => chart.times,
            values: (plot, splits) => {
              // As many as have room.
              const every = Math.ceil((splits.length * 60) / plot.width);
              return splits.map((at, n) => (n % every === 0 ? ofBucket.format(at * 1_000) : ""));
            },
          },
          { ...axis, size: 70, values: (_, values) => values.map(format) },
        ],
        series: [
          {},
          ...sums
            .map((_, n) => {
              const fill = color(colorOf(n)[0]);
              return { fill, stroke: fill, width: 0, paths, points: { show: false } };
            })
            .toReversed(),
        ],
      },
      [chart.times, ...sums.toReversed()],
      element,
    );
    const watch = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: heightPx }));
    watch.observe(element);
    return () => {
      watch.disconnect();
      plot.destroy();
    };
  }, [chart, format]);
  return (
    <figure className="rounded-lg border border-line bg-raised p-3">
      <div ref={place} role="img" aria-label={label} />
      <figcaption className="mt-2 flex flex-wrap gap-x-4 gap-y-1 text-muted">
        {chart.series.map(({ name }, n) => (
          <span key={name} className="inline-flex items-center gap-1.5">
            <span className={`size-2.5 rounded-sm ${colorOf(n)[1]}`} aria-hidden="true" />
            {name}
          </span>
        ))}
      </figcaption>
    </figure>
  );
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
