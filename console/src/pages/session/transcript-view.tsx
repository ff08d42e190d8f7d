import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useRef, useState } from "react";
import type { SessionLog } from "../../session/session-log.ts";
import { Button } from "../../ui/button.tsx";
import { Empty } from "../../ui/notice.tsx";
import { Approvals } from "./approvals.tsx";
import { ItemView } from "./item-view.tsx";

/** Of the messages that wait; they are not many where people speak. */
const queuedShownMax = 20;

/** What was said and done, the newest at the bottom, which it keeps in sight until the reader scrolls away from it. */
export function TranscriptView({ log, sessionId }: { log: SessionLog; sessionId: string }) {
  const { items, waiting, queued } = log.transcript;
  const scroller = useRef<HTMLDivElement>(null);
  const lastTop = useRef(0);
  const [following, setFollowing] = useState(true);
  const rows = useVirtualizer({
    count: items.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => 64,
    overscan: 8,
    getItemKey: (n) => items[n]?.id ?? n,
  });
  const height = rows.getTotalSize();
  // biome-ignore lint/correctness/useExhaustiveDependencies: what has grown is to be in sight
  useEffect(() => {
    if (following) scroller.current?.scrollTo({ top: scroller.current.scrollHeight });
  }, [following, height, queued.size]);

  if (items.length === 0 && queued.size === 0)
    return log.connection === "open" ? (
      <Empty title="Nothing has been said yet">Tell the agent below what is to be done.</Empty>
    ) : (
      <p className="p-4 text-muted">Loading…</p>
    );

  return (
    <div className="relative flex h-full flex-col">
      <div
        ref={scroller}
        className="min-h-0 grow overflow-y-auto overflow-x-hidden"
        role="log"
        aria-label="Transcript"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reached by keyboard
        tabIndex={0}
        onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => {
          // What grows beneath the reader is not scrolled away from: that is to go up.
          if (scrollHeight - scrollTop - clientHeight < 40) setFollowing(true);
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
                  <ItemView item={item} sessionId={sessionId} waits={waiting.includes(item.id)} />
                </div>
              )
            );
          })}
        </div>
        {[...queued.values()].slice(0, queuedShownMax).map((event) => (
          <div key={event.id} className="mx-auto max-w-4xl px-4 py-1.5 opacity-60">
            <ItemView item={{ kind: "message", id: event.id, event }} sessionId={sessionId} waits={false} />
          </div>
        ))}
        {queued.size > queuedShownMax && (
          <p className="mx-auto max-w-4xl px-4 py-1.5 text-muted">
            and {queued.size - queuedShownMax} more that wait
          </p>
        )}
      </div>
      {!following && (
        <Button className="absolute right-4 bottom-3 shadow" onClick={() => setFollowing(true)}>
          To the newest
        </Button>
      )}
      <Approvals log={log} sessionId={sessionId} />
    </div>
  );
}
