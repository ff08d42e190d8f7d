import { Link } from "@tanstack/react-router";
import { count } from "../../format/number.ts";
import { visible } from "../../format/text.ts";
import { duration } from "../../format/time.ts";
import type { Span } from "../../session/spans.ts";
import { timeSpent } from "../../session/time-spent.ts";
import { Table } from "../../ui/table.tsx";

/** Where the time of the session went: the model, each tool, waits and pauses. */
export function TimeTable({ spans }: { spans: readonly Span[] }) {
  const rows = timeSpent(spans);
  if (rows.length === 0) return <p className="text-muted">Nothing has run yet.</p>;
  return (
    <Table
      head={["what", "times", "failed", "median", "longest", "in all"]}
      rows={rows.map(({ kind, label, times, failed, median_ms, longest, total_ms, failed_id }) => ({
        key: `${kind} ${label}`,
        cells: [
          visible(label),
          count(times),
          failed_id ? (
            <ToEvent key="failed" id={failed_id} text={count(failed)} name="the last that failed" />
          ) : (
            "0"
          ),
          duration(median_ms),
          <ToEvent key="longest" id={longest.id} text={duration(longest.ms)} name="the longest" />,
          duration(total_ms),
        ],
      }))}
    />
  );
}

const ToEvent = ({ id, text, name }: { id: string; text: string; name: string }) => (
  <Link
    from="/sessions/$sessionId"
    to="/sessions/$sessionId"
    search={{ tab: "events", event: id }}
    title={`The event of ${name}`}
    className="underline"
  >
    {text}
  </Link>
);
