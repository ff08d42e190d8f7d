import { Link } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useRef } from "react";
import { short } from "../../format/number.ts";
import { visible } from "../../format/text.ts";
import { duration, exactly } from "../../format/time.ts";
import { axisOf } from "../../session/axis.ts";
import type { Span } from "../../session/spans.ts";
import { cx } from "../../ui/cx.ts";
import { Empty } from "../../ui/notice.tsx";
import { Scroll } from "../../ui/scroll.tsx";

const colors: Record<Span["kind"], string> = {
  turn: "bg-line",
  model: "bg-accent",
  tool: "bg-good",
  wait: "bg-warn",
  retry: "bg-bad/60",
  setup: "bg-muted",
};
const rowPx = 28;

/** What took time, each in a row, along one axis that passes over pauses. */
export function Waterfall({ spans }: { spans: readonly Span[] }) {
  const scroller = useRef<HTMLDivElement>(null);
  const rows = useVirtualizer({
    count: spans.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowPx,
    overscan: 20,
  });
  const first = spans[0]?.start;
  if (first === undefined)
    return <Empty title="Nothing has run yet">Once the agent works, what took how long stands here.</Empty>;
  const now = Date.now();
  const axis = axisOf(spans, now);
  return (
    <Scroll ref={scroller} className="h-full overflow-auto p-4">
      <p className="mb-2 text-muted">
        {spans.length} spans in {duration(axis.busy_ms)} of work, from {exactly(first)}. Pauses are drawn
        short.
      </p>
      <ol className="relative" style={{ height: rows.getTotalSize() }}>
        {rows.getVirtualItems().map(({ index, key, start: top }) => {
          const span = spans[index];
          if (!span) return null;
          const end = span.end ?? now;
          return (
            <li
              key={key}
              className="absolute inset-x-0 top-0 grid grid-cols-[8rem_1fr_4rem] md:grid-cols-[18rem_1fr_5rem] items-center gap-2"
              style={{ height: rowPx, transform: `translateY(${top}px)` }}
            >
              <Link
                from="/sessions/$sessionId"
                to="/sessions/$sessionId"
                search={{ tab: "events", event: span.id }}
                title={visible(`${span.label} ${span.gist ?? ""}`.trimEnd())}
                className={cx(
                  "truncate hover:underline",
                  span.kind === "turn" ? "font-medium" : "pl-3",
                  span.failed && "text-bad",
                )}
              >
                {visible(span.label)}
                {span.note && ` (${span.note})`}
                {span.failed && " (failed)"}
                {span.gist && <span className="font-mono text-xs text-muted"> {visible(span.gist)}</span>}
                {span.tokens && (
                  <span className="hidden text-xs text-muted md:inline">
                    {" "}
                    {short(span.tokens.input)} in, {short(span.tokens.output)} out
                  </span>
                )}
              </Link>
              <span className="relative h-3 rounded bg-sunken">
                <span
                  className={cx(
                    "absolute inset-y-0 min-w-0.5 rounded",
                    span.failed ? "bg-bad" : colors[span.kind],
                    span.end === null && "animate-pulse",
                  )}
                  title={`from ${exactly(span.start)}`}
                  style={{
                    left: `${axis.at(span.start) * 100}%`,
                    width: `${(axis.at(end) - axis.at(span.start)) * 100}%`,
                  }}
                />
              </span>
              <span className="text-right text-xs text-muted tabular-nums">{duration(end - span.start)}</span>
            </li>
          );
        })}
      </ol>
    </Scroll>
  );
}
