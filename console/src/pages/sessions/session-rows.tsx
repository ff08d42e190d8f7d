import { Link } from "@tanstack/react-router";
import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { memo, useEffect, useLayoutEffect, useRef, useState } from "react";
import type { Session } from "../../../../src/protocol/sessions.ts";
import { money } from "../../format/number.ts";
import { visible } from "../../format/text.ts";
import { Id } from "../../ui/copy.tsx";
import { Status } from "../../ui/status.tsx";
import { Ago } from "../../ui/time.tsx";

/** The height of each, so that nothing has to be measured. */
const rowPx = 58;
/** The next page is asked for before its place comes into sight. */
const aheadRows = 60;

/** Only those in sight are in the page: there may be thousands. */
export function SessionRows({
  sessions,
  more,
  show,
  chosen,
  choose,
}: {
  sessions: readonly Session[];
  more: (() => void) | null;
  show: (from: number, to: number) => void;
  chosen: ReadonlySet<string>;
  choose: (id: string, on: boolean) => void;
}) {
  const top = useRef<HTMLUListElement>(null);
  const [margin, setMargin] = useState(0);
  // What stands above may grow and shrink.
  useLayoutEffect(() => {
    const measure = () => setMargin(top.current?.offsetTop ?? 0);
    measure();
    const watch = new ResizeObserver(measure);
    watch.observe(document.body);
    return () => watch.disconnect();
  }, []);
  const rows = useWindowVirtualizer({
    count: sessions.length,
    estimateSize: () => rowPx,
    overscan: 8,
    scrollMargin: margin,
    getItemKey: (n) => sessions[n]?.id ?? n,
  });
  const shown = rows.getVirtualItems();
  const first = shown[0]?.index ?? 0;
  const last = shown.at(-1)?.index ?? 0;
  useEffect(() => show(first, last), [show, first, last]);
  useEffect(() => {
    if (more && last >= sessions.length - aheadRows) more();
  }, [more, last, sessions.length]);
  return (
    <ul
      ref={top}
      aria-label="Sessions"
      className="relative box-content rounded-lg border border-line bg-raised"
      style={{ height: rows.getTotalSize() }}
    >
      {shown.map(({ index, key, start }) => {
        const session = sessions[index];
        return (
          session && (
            <li
              key={key}
              className="absolute inset-x-0 top-0 not-last:border-b border-line"
              style={{ height: rowPx, transform: `translateY(${start - margin}px)` }}
            >
              <Row session={session} chosen={chosen.has(session.id)} choose={choose} />
            </li>
          )
        );
      })}
    </ul>
  );
}

const Row = memo(function Row({
  session,
  chosen,
  choose,
}: {
  session: Session;
  chosen: boolean;
  choose: (id: string, on: boolean) => void;
}) {
  const { id, title, agent, created_at, archived_at, usage, waiting_for } = session;
  const name = visible(title || agent.name);
  return (
    <div className="grid h-full grid-cols-[auto_1fr_auto] items-center gap-x-3 px-3 hover:bg-sunken md:grid-cols-[auto_1fr_11rem_5rem_6rem]">
      <input
        type="checkbox"
        aria-label={`Choose ${name}`}
        className="size-4"
        checked={chosen}
        disabled={archived_at !== null}
        onChange={({ target }) => choose(id, target.checked)}
      />
      <div className="min-w-0">
        <Link to="/sessions/$sessionId" params={{ sessionId: id }} className="block truncate font-medium">
          {name}
        </Link>
        <div className="flex items-center gap-2 truncate text-muted">
          <Id id={id} className="-ml-1 shrink-0" />
          {title && <span className="truncate">{visible(agent.name)}</span>}
          <span className="shrink-0">v{agent.version}</span>
        </div>
      </div>
      <div className="min-w-0">
        <Status session={session} />
        {waiting_for?.type === "budget" && <div className="text-xs text-warn">budget is used up</div>}
      </div>
      <span className="hidden text-right text-muted tabular-nums md:block">
        {usage.list_cost ? money(Number(usage.list_cost.amount)) : ""}
      </span>
      <Ago at={created_at} className="hidden text-right text-muted md:block" />
    </div>
  );
});
