import { useSyncExternalStore } from "react";
import { ago, exactly } from "../format/time.ts";
import { cx } from "./cx.ts";

/** One clock for all relative times of a page. */
let now = Date.now();
const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => {
    now = Date.now();
    for (const tell of listeners) tell();
  }, 5_000);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

interface Props {
  at: string;
  className?: string;
}

/** Of what has been: a server whose clock is ahead has done nothing in the future. */
export function Ago({ at, className }: Props) {
  const current = useSyncExternalStore(subscribe, () => now);
  return <Time at={at} className={className} words={ago(at, Math.max(current, Date.parse(at)))} />;
}

/** Of what may still come. */
export function Due({ at, className }: Props) {
  const current = useSyncExternalStore(subscribe, () => now);
  return <Time at={at} className={className} words={ago(at, current)} />;
}

const Time = ({ at, className, words }: { at: string; className: string | undefined; words: string }) => (
  <time dateTime={at} title={exactly(at)} className={cx("whitespace-nowrap", className)}>
    {words}
  </time>
);
