import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useRef } from "react";
import type { Session, SessionStatus } from "../../../src/protocol/sessions.ts";
import { sessionsOptions } from "../api/resources.ts";
import { money } from "../format/number.ts";
import { visible } from "../format/text.ts";
import { Id } from "../ui/copy.tsx";
import { cx } from "../ui/cx.ts";
import { Empty, ProblemNotice } from "../ui/notice.tsx";
import { Status } from "../ui/status.tsx";
import { Ago } from "../ui/time.tsx";
import { Page } from "./page.tsx";

const route = getRouteApi("/shell/sessions");

const choices: [string, SessionStatus[] | undefined][] = [
  ["All", undefined],
  ["Running", ["running", "rescheduling"]],
  ["Idle", ["idle"]],
  ["Ended", ["terminated"]],
];

export function SessionsPage() {
  const filters = route.useSearch();
  const list = useInfiniteQuery(sessionsOptions(filters));
  const chosen = JSON.stringify(filters.statuses);
  return (
    <Page title="Sessions">
      <nav aria-label="Status" className="mb-3 flex flex-wrap gap-1">
        {choices.map(([name, statuses]) => (
          <Link
            key={name}
            from="/sessions"
            to="/sessions"
            search={(before) => ({ ...before, statuses })}
            aria-current={JSON.stringify(statuses) === chosen}
            className={cx(
              "rounded-full border border-line px-3 py-1",
              JSON.stringify(statuses) === chosen
                ? "bg-accent-soft font-medium"
                : "text-muted hover:bg-sunken",
            )}
          >
            {name}
          </Link>
        ))}
      </nav>
      {list.error && <ProblemNotice error={list.error} retry={() => list.refetch()} />}
      {list.data?.length === 0 && (
        <Empty title="No sessions here">
          A session is an agent at work on a task. They are listed here once one is made.
        </Empty>
      )}
      {list.data && list.data.length > 0 && (
        <Rows
          sessions={list.data}
          more={list.hasNextPage && !list.isFetchingNextPage ? () => void list.fetchNextPage() : null}
        />
      )}
    </Page>
  );
}

/** Only those in sight are in the page: there may be thousands. */
function Rows({ sessions, more }: { sessions: Session[]; more: (() => void) | null }) {
  const top = useRef<HTMLDivElement>(null);
  const rows = useWindowVirtualizer({
    count: sessions.length,
    estimateSize: () => 57,
    overscan: 12,
    scrollMargin: top.current?.offsetTop ?? 0,
    getItemKey: (n) => sessions[n]?.id ?? n,
  });
  const shown = rows.getVirtualItems();
  const last = shown.at(-1)?.index ?? 0;
  useEffect(() => {
    if (more && last >= sessions.length - 20) more();
  }, [more, last, sessions.length]);
  return (
    <div ref={top} className="rounded-lg border border-line bg-raised">
      <ul className="relative" style={{ height: rows.getTotalSize() }}>
        {shown.map(({ index, key, start }) => {
          const session = sessions[index];
          return (
            session && (
              <li
                key={key}
                data-index={index}
                ref={rows.measureElement}
                className="absolute inset-x-0 top-0 border-line border-b"
                style={{ transform: `translateY(${start - rows.options.scrollMargin}px)` }}
              >
                <Row session={session} />
              </li>
            )
          );
        })}
      </ul>
    </div>
  );
}

function Row({ session }: { session: Session }) {
  const { id, title, agent, created_at, usage } = session;
  return (
    <div className="grid grid-cols-[1fr_auto] items-center gap-x-3 px-3 py-2 hover:bg-sunken md:grid-cols-[1fr_10rem_5rem_6rem]">
      <div className="min-w-0">
        <Link to="/sessions/$sessionId" params={{ sessionId: id }} className="block truncate font-medium">
          {visible(title || agent.name)}
        </Link>
        <div className="flex items-center gap-2 truncate text-muted">
          <Id id={id} className="-ml-1" />
          {title && <span className="truncate">{visible(agent.name)}</span>}
        </div>
      </div>
      <Status session={session} />
      <span className="hidden text-right text-muted tabular-nums md:block">
        {usage.list_cost ? money(Number(usage.list_cost.amount)) : ""}
      </span>
      <Ago at={created_at} className="hidden text-right text-muted md:block" />
    </div>
  );
}
