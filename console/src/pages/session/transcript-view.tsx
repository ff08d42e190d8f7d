import { useVirtualizer } from "@tanstack/react-virtual";
import { type RefObject, useCallback, useDeferredValue, useEffect, useMemo, useRef, useState } from "react";
import type { SessionEvent } from "../../../../src/protocol/events.ts";
import { visible } from "../../format/text.ts";
import { placesOf, wantedIn } from "../../session/search.ts";
import type { SessionLog } from "../../session/session-log.ts";
import { Button } from "../../ui/button.tsx";
import { endHighlight, highlight } from "../../ui/highlight.ts";
import { Empty } from "../../ui/notice.tsx";
import { Approvals } from "./approvals.tsx";
import { BudgetSpent } from "./budget-form.tsx";
import { ItemView } from "./item-view.tsx";
import { Wanted } from "./long-text.tsx";
import { SearchBar, useSearchKeys } from "./search-bar.tsx";

/** Of the messages that wait; they are not many where people speak. */
const queuedShownMax = 20;

const settledMs = 100;

/** What was said and done, the newest at the bottom, which it keeps in sight until the reader scrolls away from it. */
export function TranscriptView({ log, sessionId }: { log: SessionLog; sessionId: string }) {
  const { items, waiting, queued } = log.transcript;
  const scroller = useRef<HTMLDivElement>(null);
  const lastTop = useRef(0);
  const [following, setShown] = useState(true);
  // Known at once: what is drawn between a scroll and the next state is not to scroll back.
  const follows = useRef(true);
  const setFollowing = useCallback((next: boolean) => {
    follows.current = next;
    setShown(next);
  }, []);
  const search = useSearch(log, scroller);
  const told = useTold(log);
  const rows = useVirtualizer({
    count: items.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => 64,
    overscan: 8,
    paddingStart: 12,
    getItemKey: (n) => items[n]?.id ?? n,
  });
  const height = rows.getTotalSize();
  // Rows are measured once they are drawn, and what is at the end is elsewhere then: it is looked at now and then.
  // biome-ignore lint/correctness/useExhaustiveDependencies: what has grown is to be in sight
  useEffect(() => {
    const toEnd = () => {
      if (follows.current) scroller.current?.scrollTo({ top: scroller.current.scrollHeight });
    };
    toEnd();
    const timer = setInterval(toEnd, settledMs);
    return () => clearInterval(timer);
  }, [following, height, queued.size]);

  const { place, wanted } = search;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the rows are the same ones each time
  useEffect(() => {
    if (place === null) return;
    setFollowing(false);
    rows.scrollToIndex(place, { align: "center" });
    // What is folded opens, and what is high is measured, before the word itself can be brought into sight.
    const timer = setTimeout(() => {
      const row = scroller.current?.querySelector(`[data-index="${place}"]`) ?? null;
      const range = scroller.current && highlight(scroller.current, row, wanted);
      range?.startContainer.parentElement?.scrollIntoView({ block: "center" });
    }, 60);
    return () => clearTimeout(timer);
  }, [place, wanted, search.steps]);
  // What is in sight changes with each look at it.
  useEffect(() => {
    if (wanted === "" || !scroller.current) return endHighlight();
    highlight(scroller.current, scroller.current.querySelector(`[data-index="${place}"]`), wanted);
  });
  useEffect(() => endHighlight, []);

  if (items.length === 0 && queued.size === 0)
    return log.connection === "open" ? (
      <Empty title="Nothing has been said yet">Tell the agent below what is to be done.</Empty>
    ) : (
      <p className="p-4 text-muted">Loading…</p>
    );

  return (
    <Wanted value={wanted}>
      <div className="relative flex h-full flex-col">
        {search.bar}
        <div
          ref={scroller}
          className="min-h-0 grow overflow-y-auto overflow-x-hidden"
          role="log"
          aria-label="Transcript"
          // It is told in words of its own: not each token, and not what is scrolled into sight.
          aria-live="off"
          // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reached by keyboard
          tabIndex={0}
          onScroll={({ currentTarget }) => {
            const { scrollTop, scrollHeight, clientHeight } = currentTarget;
            // What grows beneath the reader is not scrolled away from: that is to go up.
            if (scrollHeight - scrollTop - clientHeight < 40) setFollowing(place === null);
            else if (scrollTop < lastTop.current) setFollowing(false);
            lastTop.current = scrollTop;
          }}
        >
          <div className="relative mx-auto w-full max-w-4xl" style={{ height }}>
            {rows.getVirtualItems().map(({ index, key, start }) => {
              const item = items[index];
              return (
                item && (
                  <div
                    key={key}
                    data-index={index}
                    ref={rows.measureElement}
                    className="absolute inset-x-0 top-0 px-4 py-1.5"
                    style={{ transform: `translateY(${start}px)` }}
                  >
                    <ItemView
                      item={item}
                      sessionId={sessionId}
                      waits={waiting.includes(item.id)}
                      found={index === place}
                    />
                  </div>
                )
              );
            })}
          </div>
          {[...queued.values()].slice(0, queuedShownMax).map((event) => (
            <div key={event.id} className="mx-auto max-w-4xl px-4 py-1.5 opacity-60">
              <ItemView item={{ kind: "message", id: event.id, event }} sessionId={sessionId} />
            </div>
          ))}
          {queued.size > queuedShownMax && (
            <p className="mx-auto max-w-4xl px-4 py-1.5 text-muted">
              and {queued.size - queuedShownMax} more that wait
            </p>
          )}
        </div>
        {!following && (
          <Button
            className="absolute right-4 bottom-3 shadow"
            onClick={() => {
              search.leave();
              setFollowing(true);
            }}
          >
            To the newest
          </Button>
        )}
        <Approvals log={log} sessionId={sessionId} back={() => scroller.current} />
        <BudgetSpent log={log} sessionId={sessionId} />
        <p className="sr-only" aria-live="polite">
          {told}
        </p>
      </div>
    </Wanted>
  );
}

/** What was there before the page is not told. It has come when nothing has come for so long. */
const oldMs = 1_000;
const toldCharsMax = 500;

/** What a reader of screens is told: messages once they are whole, what waits, and how it ended. */
function useTold(log: SessionLog): string {
  const [told, setTold] = useState("");
  /** The last one; null while none is old yet. What people send moves to where it is taken up, and is not it. */
  const known = useRef<SessionEvent | undefined | null>(null);
  const { told: changes } = log;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the events change in place
  useEffect(() => {
    const last = () => log.events.findLast(({ type }) => !/^(user|system)\./.test(type));
    if (known.current === null) {
      const timer = setTimeout(() => {
        known.current = last();
      }, oldMs);
      return () => clearTimeout(timer);
    }
    const since = known.current === undefined ? -1 : log.events.lastIndexOf(known.current);
    const words = log.events
      .slice(since + 1)
      .flatMap(wordsOf)
      .join(" ");
    known.current = last();
    if (words !== "") setTold(visible(words.slice(0, toldCharsMax)));
    return undefined;
  }, [log, changes]);
  return told;
}

function wordsOf(event: SessionEvent): string[] {
  switch (event.type) {
    case "agent.message":
      return event.content.flatMap((block) => (block.type === "text" ? [block.text] : []));
    case "session.error":
      return [`An error: ${event.error.message}`];
    case "session.status_idle":
      return [
        event.stop_reason.type === "requires_action"
          ? "The agent waits for your answer."
          : "The turn has ended.",
      ];
    default:
      return [];
  }
}

interface Search {
  wanted: string;
  /** Of the item that is looked at, among all; null while none is. */
  place: number | null;
  /** Grows with each step, also to the same place. */
  steps: number;
  bar: React.ReactNode;
  leave(): void;
}

function useSearch(log: SessionLog, scroller: RefObject<HTMLElement | null>): Search {
  const { items } = log.transcript;
  const [text, setText] = useState<string | null>(null);
  const [at, setAt] = useState(-1);
  const [steps, setSteps] = useState(0);
  const input = useRef<HTMLInputElement>(null);
  useSearchKeys(
    input,
    useCallback(() => setText((before) => before ?? ""), []),
  );
  const wanted = useDeferredValue(wantedIn(text ?? ""));
  const { length } = items;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the items are replaced in place
  const places = useMemo(() => placesOf(items, wanted), [items, wanted, length, log.told]);
  // The newest is looked at first, as it is what is in sight.
  const current = places.length === 0 ? -1 : at < 0 ? places.length - 1 : Math.min(at, places.length - 1);
  const close = () => {
    setText(null);
    setAt(-1);
  };
  const back = useCallback(() => scroller.current, [scroller]);
  return {
    wanted,
    place: wanted === "" ? null : (places[current] ?? null),
    steps,
    leave: close,
    bar: text !== null && (
      <SearchBar
        input={input}
        label="Search the transcript"
        text={text}
        onText={(next) => {
          setText(next);
          setAt(-1);
        }}
        at={current}
        found={places.length}
        of={log.events.length}
        step={(by) => {
          setAt((current + by + places.length) % Math.max(1, places.length));
          setSteps((n) => n + 1);
        }}
        close={close}
        back={back}
      />
    ),
  };
}
