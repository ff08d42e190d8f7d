import { useMutation } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import {
  type KeyboardEvent,
  useCallback,
  useDeferredValue,
  useEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import type { SessionEvent } from "../../../../src/protocol/events.ts";
import { ask } from "../../api/request.ts";
import { count as number } from "../../format/number.ts";
import { readableJson, visible, visibleJson } from "../../format/text.ts";
import { duration, exactly } from "../../format/time.ts";
import { eventCurl } from "../../session/curl.ts";
import { eventsWith, gistOf, wantedIn } from "../../session/search.ts";
import { Button } from "../../ui/button.tsx";
import { CopyButton, Id } from "../../ui/copy.tsx";
import { useGoOn } from "../../ui/focus.ts";
import { endHighlight, highlight } from "../../ui/highlight.ts";
import { ProblemNotice } from "../../ui/notice.tsx";
import { saveAs } from "../../ui/save.ts";
import { Preformatted, Scroll } from "../../ui/scroll.tsx";
import { LongText, Wanted } from "./long-text.tsx";
import { useSearchKeys } from "./search-bar.tsx";

const route = getRouteApi("/shell/sessions/$sessionId");
const rowPx = 32;

/** The events as the API has them, to be searched and copied. */
export function EventList({
  events,
  told,
  sessionId,
}: {
  events: readonly SessionEvent[];
  /** Another one with every change of them: they change in place. */
  told: number;
  sessionId: string;
}) {
  const [text, setText] = useState("");
  const [type, setType] = useState<string | null>(null);
  // The address says which one is chosen.
  const { event: chosen = null } = route.useSearch();
  const navigate = route.useNavigate();
  const setChosen = (event: string | undefined) =>
    void navigate({ search: (before) => ({ ...before, event }), replace: true, resetScroll: false });
  const whole = useRef<HTMLDivElement>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const input = useRef<HTMLInputElement>(null);
  useSearchKeys(
    input,
    useCallback(() => {}, []),
  );
  const count = events.length;
  const began = beginOf(events);
  const wanted = useDeferredValue(wantedIn(text));
  // biome-ignore lint/correctness/useExhaustiveDependencies: the list changes in place
  const types = useMemo(() => [...new Set(events.map((event) => event.type))].sort(), [events, told]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the list changes in place
  const found = useMemo(() => eventsWith(events, wanted, type), [events, told, wanted, type]);
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
  useEffect(() => {
    if (whole.current) highlight(whole.current, null, wanted);
    if (wanted === "") endHighlight();
  });
  useEffect(() => endHighlight, []);

  const choose = (n: number) => {
    const event = found[Math.max(0, Math.min(n, found.length - 1))];
    if (!event) return;
    setChosen(event.id);
    rows.scrollToIndex(found.indexOf(event));
  };
  const step = (by: number) => choose(found.findIndex(({ id }) => id === chosen) + by);
  const onListKey = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown") step(1);
    else if (event.key === "ArrowUp") step(-1);
    else if (event.key === "Home") choose(0);
    else if (event.key === "End") choose(found.length - 1);
    else if (event.key === "Escape" && shown) setChosen(undefined);
    else return;
    event.preventDefault();
  };

  return (
    <Wanted value={wanted}>
      <div ref={whole} className="flex h-full flex-col md:flex-row">
        <div className="flex min-h-0 min-w-0 grow basis-1/2 flex-col">
          <search className="flex flex-wrap items-center gap-2 border-line border-b p-2">
            <input
              ref={input}
              type="search"
              aria-label="Search the events"
              placeholder="Search"
              value={text}
              onChange={(event) => setText(event.target.value)}
              onKeyDown={(event) => {
                if (event.key !== "Enter") return;
                event.preventDefault();
                step(event.shiftKey ? -1 : 1);
              }}
              className="min-w-28 grow rounded-md border border-line bg-raised px-2 py-1"
            />
            <select
              aria-label="Of which type"
              value={type ?? ""}
              onChange={(event) => setType(event.target.value || null)}
              className="max-w-44 rounded-md border border-line bg-raised px-2 py-1"
            >
              <option value="">all types</option>
              {types.map((name) => (
                <option key={name}>{name}</option>
              ))}
            </select>
            <span className="text-muted tabular-nums" role="status">
              {found.length === count ? number(count) : `${number(found.length)} of ${number(count)}`}
            </span>
            <Button
              title="These events as JSON, a line each"
              onClick={() => saveAs(`${sessionId}.jsonl`, jsonLines(found), "application/jsonl")}
            >
              Download
            </Button>
          </search>
          <Scroll
            ref={scroller}
            role="listbox"
            aria-label="Events"
            aria-activedescendant={chosen ?? undefined}
            onKeyDown={onListKey}
            className="min-h-0 grow overflow-auto"
          >
            <div className="relative" role="presentation" style={{ height: rows.getTotalSize() }}>
              {rows.getVirtualItems().map(({ index, key, start }) => {
                const event = found[index];
                return (
                  event && (
                    // biome-ignore lint/a11y/useKeyWithClickEvents: the list has the keys
                    // biome-ignore lint/a11y/useFocusableInteractive: the list has the focus
                    <div
                      key={key}
                      id={event.id}
                      role="option"
                      aria-selected={event.id === chosen}
                      aria-setsize={found.length}
                      aria-posinset={index + 1}
                      onClick={() => setChosen(event.id)}
                      className="absolute inset-x-0 top-0 flex cursor-pointer items-center gap-3 px-3 hover:bg-sunken aria-selected:bg-accent-soft"
                      style={{ height: rowPx, transform: `translateY(${start}px)` }}
                    >
                      <span className="shrink-0 font-mono text-xs">{event.type}</span>
                      <span className="min-w-0 grow truncate text-xs text-muted">
                        {visible(gistOf(event).slice(0, 200))}
                      </span>
                      {"processed_at" in event && event.processed_at && (
                        <time
                          dateTime={event.processed_at}
                          title={exactly(event.processed_at)}
                          className="text-xs whitespace-nowrap text-muted tabular-nums"
                        >
                          +{duration(Date.parse(event.processed_at) - began)}
                        </time>
                      )}
                    </div>
                  )
                );
              })}
            </div>
          </Scroll>
        </div>
        {shown && (
          <OneEvent
            event={shown}
            sessionId={sessionId}
            close={() => setChosen(undefined)}
            back={() => scroller.current}
          />
        )}
      </div>
    </Wanted>
  );
}

const jsonLines = (events: readonly SessionEvent[]) =>
  events.map((event) => `${JSON.stringify(event)}\n`).join("");
/** In `ms` since 1970. */
const beginOf = (events: readonly SessionEvent[]): number => {
  const first = events.find((event) => "processed_at" in event && event.processed_at);
  return first && "processed_at" in first ? Date.parse(first.processed_at ?? "") : 0;
};

function OneEvent({
  event,
  sessionId,
  close,
  back,
}: {
  event: SessionEvent;
  sessionId: string;
  close: () => void;
  /** Where one goes on once it is closed. */
  back: () => HTMLElement | null;
}) {
  const section = useRef<HTMLElement>(null);
  useGoOn(section, back);
  const json = useMemo(() => readableJson(event), [event]);
  return (
    <section
      ref={section}
      aria-label="The chosen event"
      onKeyDown={(event) => event.key === "Escape" && close()}
      className="flex min-h-0 min-w-0 basis-1/2 flex-col border-line border-t md:border-t-0 md:border-l"
    >
      <div className="flex flex-wrap items-center gap-2 border-line border-b p-2">
        <span className="font-mono text-xs">{event.type}</span>
        <Id id={event.id} />
        <span className="grow" />
        <ForkButton sessionId={sessionId} eventId={event.id} />
        <CopyButton label="copy JSON" text={() => visibleJson(event, 2)} />
        <CopyButton label="copy curl" text={() => eventCurl(location.origin, sessionId, event)} />
        <Button look="quiet" aria-label="Close the event" onClick={close}>
          ✕
        </Button>
      </div>
      <Preformatted
        key={event.id}
        className="min-h-0 grow overflow-auto p-3 font-mono text-xs break-words whitespace-pre-wrap"
      >
        <LongText text={json} />
      </Preformatted>
    </section>
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
