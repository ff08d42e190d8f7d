import { useMutation } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useMemo, useRef, useState } from "react";
import type { SessionEvent } from "../../../../src/protocol/events.ts";
import { ask } from "../../api/request.ts";
import { visible } from "../../format/text.ts";
import { Button } from "../../ui/button.tsx";
import { CopyButton, Id } from "../../ui/copy.tsx";
import { ProblemNotice } from "../../ui/notice.tsx";
import { Preformatted, Scroll } from "../../ui/scroll.tsx";
import { Ago } from "../../ui/time.tsx";

const rowPx = 32;

const route = getRouteApi("/shell/sessions/$sessionId");

/** The events as the API has them, to be searched and copied. */
export function EventList({ events, sessionId }: { events: readonly SessionEvent[]; sessionId: string }) {
  const [search, setSearch] = useState("");
  // The address says which one is chosen.
  const { event: chosen = null } = route.useSearch();
  const navigate = route.useNavigate();
  const setChosen = (event: string) =>
    void navigate({ search: (before) => ({ ...before, event }), replace: true });
  const scroller = useRef<HTMLDivElement>(null);
  const count = events.length;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the list grows in place
  const found = useMemo(() => {
    const wanted = search.trim().toLowerCase();
    return wanted === ""
      ? events
      : events.filter((event) => JSON.stringify(event).toLowerCase().includes(wanted));
  }, [events, count, search]);
  const rows = useVirtualizer({
    count: found.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowPx,
    overscan: 20,
  });
  // The one that the address has named is brought into sight, once it is there.
  const sought = useRef(chosen);
  const place = sought.current === null ? -1 : found.findIndex(({ id }) => id === sought.current);
  useEffect(() => {
    if (place < 0) return;
    sought.current = null;
    rows.scrollToIndex(place, { align: "center" });
  }, [place, rows]);
  const shown = chosen === null ? undefined : events.find(({ id }) => id === chosen);
  return (
    <div className="flex h-full flex-col md:flex-row">
      <div className="flex min-h-0 min-w-0 grow basis-1/2 flex-col">
        <div className="flex items-center gap-2 border-line border-b p-2">
          <input
            type="search"
            aria-label="Search the events"
            placeholder="Search"
            value={search}
            onChange={(event) => setSearch(event.target.value)}
            className="grow rounded-md border border-line bg-raised px-2 py-1"
          />
          <span className="text-muted tabular-nums" role="status">
            {found.length === count ? count : `${found.length} of ${count}`}
          </span>
        </div>
        <Scroll ref={scroller} className="min-h-0 grow overflow-auto">
          <ol className="relative" style={{ height: rows.getTotalSize() }}>
            {rows.getVirtualItems().map(({ index, key, start }) => {
              const event = found[index];
              return (
                event && (
                  <li
                    key={key}
                    className="absolute inset-x-0 top-0"
                    style={{ height: rowPx, transform: `translateY(${start}px)` }}
                  >
                    <button
                      type="button"
                      aria-pressed={event.id === chosen}
                      onClick={() => setChosen(event.id)}
                      className="flex h-full w-full items-center gap-3 px-3 text-left hover:bg-sunken aria-pressed:bg-accent-soft"
                    >
                      <span className="truncate font-mono text-xs">{event.type}</span>
                      <span className="grow" />
                      {"processed_at" in event && event.processed_at && (
                        <Ago at={event.processed_at} className="text-xs whitespace-nowrap text-muted" />
                      )}
                    </button>
                  </li>
                )
              );
            })}
          </ol>
        </Scroll>
      </div>
      {shown && (
        <section
          aria-label="The chosen event"
          className="flex min-h-0 min-w-0 basis-1/2 flex-col border-line border-t md:border-t-0 md:border-l"
        >
          <div className="flex flex-wrap items-center gap-2 border-line border-b p-2">
            <span className="font-mono text-xs">{shown.type}</span>
            <Id id={shown.id} />
            <span className="grow" />
            <ForkButton sessionId={sessionId} eventId={shown.id} />
            <CopyButton label="copy JSON" text={() => JSON.stringify(shown, null, 2)} />
            <CopyButton label="copy curl" text={() => curl(sessionId)} />
          </div>
          <Preformatted className="min-h-0 grow overflow-auto p-3 font-mono text-xs break-words whitespace-pre-wrap">
            {visible(JSON.stringify(shown, null, 2))}
          </Preformatted>
        </section>
      )}
    </div>
  );
}

/** A session that has of this one what was until this event, and goes on from there. */
function ForkButton({ sessionId, eventId }: { sessionId: string; eventId: string }) {
  const navigate = useNavigate();
  const fork = useMutation({
    mutationFn: () =>
      ask<{ id: string }>(`/v1/sessions/${encodeURIComponent(sessionId)}/fork`, {
        method: "POST",
        body: { event_id: eventId },
      }),
    onSuccess: ({ id }) => navigate({ to: "/sessions/$sessionId", params: { sessionId: id } }),
  });
  return (
    <>
      <Button busy={fork.isPending} onClick={() => fork.mutate()}>
        Fork from here
      </Button>
      {fork.error && <ProblemNotice error={fork.error} />}
    </>
  );
}

const curl = (sessionId: string) =>
  [
    `curl ${location.origin}/v1/sessions/${sessionId}/events`,
    `  -H "x-api-key: $DROVER_API_KEY"`,
    `  -H "anthropic-version: 2023-06-01"`,
    `  -H "anthropic-beta: managed-agents-2026-04-01"`,
  ].join(" \\\n");
