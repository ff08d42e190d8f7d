/**
 * A browser opens six connections to a server, which all of its tabs share, and a stream keeps one for as long as it is
 * open. So that requests always find one, only so many tabs keep a stream: those that were looked at last.
 */
const streamsMax = 4;
/** The tabs tell each other here; a browser that allows no storage has every tab keep its own. */
const prefix = "drover.stream.";
const tellMs = 5_000;
/** A tab that has not told for so long is gone, whatever became of it. Timers of tabs in sight are never this late. */
const goneMs = 20_000;

/** `stream`: keeps one open. `glance`: others do, so it looks now and then. `hidden`: nobody sees it. */
export type Pace = "stream" | "glance" | "hidden";

export interface StreamRoom {
  pace(): Pace;
  close(): void;
}

interface Told {
  /** When it was last looked at, and when it told so, in `ms` since 1970. */
  seen: number;
  at: number;
}

/** Of one tab that wants to stream; `changed` is told when it may, or may no longer. */
export function enterStreamRoom(changed: () => void): StreamRoom {
  const key = `${prefix}${Math.random().toString(36).slice(2)}`;
  let seen = Date.now();
  let known: Pace = paceNow();

  function paceNow(): Pace {
    if (document.visibilityState === "hidden") return "hidden";
    const now = Date.now();
    const before = others().filter((one) => now - one.at < goneMs && one.seen > seen);
    return before.length < streamsMax ? "stream" : "glance";
  }
  function others(): Told[] {
    try {
      return Object.keys(localStorage).flatMap((name) =>
        name.startsWith(prefix) && name !== key ? told(localStorage.getItem(name)) : [],
      );
    } catch {
      return [];
    }
  }
  function tell(): void {
    try {
      if (document.visibilityState === "hidden") localStorage.removeItem(key);
      else localStorage.setItem(key, JSON.stringify({ seen, at: Date.now() } satisfies Told));
      // A tab that was killed has left its word behind.
      for (const name of Object.keys(localStorage))
        if (name.startsWith(prefix) && told(localStorage.getItem(name)).length === 0)
          localStorage.removeItem(name);
    } catch {
      // Without storage there is nobody to tell.
    }
    look();
  }
  function look(): void {
    const pace = paceNow();
    if (pace === known) return;
    known = pace;
    changed();
  }
  function leave(): void {
    try {
      localStorage.removeItem(key);
    } catch {
      // As above.
    }
  }
  const looked = () => {
    if (document.visibilityState !== "hidden") seen = Date.now();
    tell();
  };
  const onStorage = (event: StorageEvent) => {
    if (event.key?.startsWith(prefix)) look();
  };
  tell();
  const timer = setInterval(tell, tellMs);
  const leaving = new AbortController();
  const { signal } = leaving;
  document.addEventListener("visibilitychange", looked, { signal });
  addEventListener("focus", looked, { signal });
  addEventListener("storage", onStorage, { signal });
  addEventListener("pagehide", leave, { signal });
  addEventListener("pageshow", looked, { signal });

  return {
    pace: () => known,
    close() {
      clearInterval(timer);
      leaving.abort();
      leave();
    },
  };
}

/** One, or none: whoever has told it is gone, or it was somebody else's. */
function told(text: string | null): Told[] {
  try {
    const { seen, at } = JSON.parse(text ?? "") as Told;
    return Number.isFinite(seen) && Date.now() - at < goneMs ? [{ seen, at }] : [];
  } catch {
    return [];
  }
}
