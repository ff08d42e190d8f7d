import type { Database } from "../db/database.ts";
import { limits } from "../limits.ts";
import type { Entry } from "./entry.ts";
import { readAfter, readHeads } from "./read.ts";

/** One reader's hold on a session. The read decides what is seen, the ring only when to look. */
export interface Watch {
  /** Entries after a seq, oldest first, at most a page; none when there are none yet. `gone`: the session was deleted. */
  after(seq: number): Promise<Entry[] | "gone">;
  /** Resolves when there may be entries after the seq, when the session is deleted, and on abort. */
  ring(seq: number, signal: AbortSignal): Promise<void>;
  close(): void;
}

export interface Watches {
  watch(sessionId: string): Watch;
  /** Entries that this process has just committed, in order. */
  committed(sessionId: string, entries: Entry[]): void;
  /** Another process has moved the session's head to `seq`. */
  moved(sessionId: string, seq: number): void;
  gone(sessionId: string): void;
  /** Compares every watched session with the database: polling is the truth. */
  poll(): Promise<void>;
}

interface Channel {
  readers: number;
  /** The newest seq known to exist. */
  head: number;
  /** Whether the database was asked since the channel was opened; before that `head` means nothing. */
  looked: boolean;
  /** The newest entries known, without a gap. */
  recent: Entry[];
  gone: boolean;
  waiting: Set<() => void>;
  reading: Map<number, Promise<Entry[]>>;
}

export function createWatches(db: Database): Watches {
  const channels = new Map<string, Channel>();

  function wake(channel: Channel): void {
    const waiting = [...channel.waiting];
    channel.waiting.clear();
    for (const resolve of waiting) resolve();
  }

  function remember(channel: Channel, entries: Entry[]): void {
    const first = entries[0];
    const last = channel.recent.at(-1);
    if (!first) return;
    if (last && first.seq <= last.seq + 1) {
      channel.recent.push(...entries.filter((entry) => entry.seq > last.seq));
    } else {
      channel.recent = [...entries];
    }
    if (channel.recent.length > 2 * limits.watch_recent_max) {
      channel.recent = channel.recent.slice(-limits.watch_recent_max);
    }
    channel.head = Math.max(channel.head, entries.at(-1)?.seq ?? 0);
  }

  /** Many readers at one place cost one read. */
  function read(sessionId: string, channel: Channel, seq: number): Promise<Entry[]> {
    const running = channel.reading.get(seq);
    if (running) return running;
    const reading = readAfter(db, sessionId, seq).finally(() => channel.reading.delete(seq));
    channel.reading.set(seq, reading);
    return reading.then((entries) => {
      channel.looked = true;
      if (entries.length < limits.read_page_max) remember(channel, entries);
      return entries;
    });
  }

  function moved(sessionId: string, seq: number): void {
    const channel = channels.get(sessionId);
    if (!channel || seq <= channel.head) return;
    channel.head = seq;
    wake(channel);
  }

  function gone(sessionId: string): void {
    const channel = channels.get(sessionId);
    if (!channel) return;
    channel.gone = true;
    wake(channel);
  }

  return {
    watch(sessionId) {
      const channel = channels.get(sessionId) ?? {
        readers: 0,
        head: 0,
        looked: false,
        recent: [],
        gone: false,
        waiting: new Set(),
        reading: new Map(),
      };
      channels.set(sessionId, channel);
      channel.readers += 1;
      return {
        async after(seq) {
          if (channel.gone) return "gone";
          const [oldest] = channel.recent;
          const known = oldest && oldest.seq <= seq + 1 ? channel.recent.slice(seq + 1 - oldest.seq) : [];
          if (known.length > 0) return known.slice(0, limits.read_page_max);
          if (channel.looked && channel.head <= seq) return [];
          return read(sessionId, channel, seq);
        },
        ring(seq, signal) {
          if (channel.head > seq || channel.gone || signal.aborted) return Promise.resolve();
          return new Promise((resolve) => {
            const done = () => {
              channel.waiting.delete(done);
              signal.removeEventListener("abort", done);
              resolve();
            };
            channel.waiting.add(done);
            signal.addEventListener("abort", done);
          });
        },
        close() {
          channel.readers -= 1;
          if (channel.readers === 0) channels.delete(sessionId);
        },
      };
    },
    committed(sessionId, entries) {
      const channel = channels.get(sessionId);
      if (!channel) return;
      remember(channel, entries);
      wake(channel);
    },
    moved,
    gone,
    async poll() {
      if (channels.size === 0) return;
      const ids = [...channels.keys()];
      const heads = await readHeads(db, ids);
      for (const id of ids) {
        const seq = heads.get(id);
        if (seq === undefined) gone(id);
        else moved(id, seq);
      }
    },
  };
}
