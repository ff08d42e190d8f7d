import { limits } from "../limits.ts";

/** A part of an event before the event: never stored, never sent twice, gone when nobody looks. */
export type Preview =
  | { type: "event_start"; event: { type: "agent.message" | "agent.thinking"; id: string } }
  | {
      type: "event_delta";
      event_id: string;
      delta: { type: "content_delta"; index: number; content: { type: "text"; text: string } };
    };

export interface SessionPreview {
  thread_id: string;
  /** The log's newest seq when the model was asked: readers show nothing of it before they have shown that entry. */
  seq: number;
  /** Of a delta: how much of its text came before, in UTF-16 units. One that is lost or late is missed by it. */
  at: number;
  preview: Preview;
}

/** Carries previews from the brain that makes them to the streams that asked for them, in this process and others. */
export interface Previews {
  publish(sessionId: string, preview: SessionPreview): void;
  /** Sends what is held back: the event itself is about to come. */
  flush(sessionId: string): void;
  /** Until closed, hears every preview of the session from now on. */
  watch(sessionId: string, hear: Hear): { close(): void };
  /** This process hears the others only from now on: they say again what they want. */
  ask(): void;
  /** It may have wanted something when nobody heard it: what is watched here is said again. */
  answer(): void;
  /** A notification of another process. */
  heard(payload: string): void;
  close(): void;
}

type Hear = (preview: SessionPreview) => void;

interface Session {
  watchers: Set<Hear>;
  /** Streams of other processes look at it until then, in `ms` since 1970. */
  wanted_until: number;
  held: SessionPreview[];
  timer: NodeJS.Timeout | null;
  /** Notifications under way, one after the other: side by side they would overtake each other. */
  told: Promise<void>;
  telling: number;
}

/** `notify` reaches the other processes; at most `preview_notify_bytes_max` at a time. It never rejects. */
export function createPreviews(notify: (payload: string) => Promise<void>): Previews {
  const sessions = new Map<string, Session>();
  let answering: NodeJS.Timeout | null = null;
  // Each by itself: a process of the release before reads one at a time.
  const renewing = setInterval(() => {
    for (const [id, session] of sessions) {
      if (session.watchers.size > 0) notify(`want ${id}`);
      else forget(id, session);
    }
  }, limits.preview_want_ms / 2);
  renewing.unref();

  function open(id: string): Session {
    const known = sessions.get(id);
    if (known) return known;
    const told = Promise.resolve();
    const session = { watchers: new Set<Hear>(), wanted_until: 0, held: [], timer: null, told, telling: 0 };
    sessions.set(id, session);
    return session;
  }

  const isWanted = (session: Session) => session.wanted_until > Date.now();

  function forget(id: string, session: Session): void {
    if (session.watchers.size === 0 && !isWanted(session) && session.timer === null) sessions.delete(id);
  }

  /**
   * One answer for all who ask before it is given: where the database has come back, every process asks. All hear it, and
   * not everybody answers at the same moment.
   */
  function answer(): void {
    answering ??= setTimeout(() => {
      answering = null;
      const watched = [...sessions].flatMap(([id, { watchers }]) => (watchers.size > 0 ? [id] : []));
      for (const ids of batches(watched)) notify(`want ${ids}`);
    }, Math.random() * limits.preview_answer_ms).unref();
  }

  /** What a slow database does not take in time is left out. */
  function tell(session: Session, payload: string): void {
    if (session.telling >= limits.previews_telling_max) return;
    session.telling += 1;
    session.told = session.told
      .then(() => notify(payload))
      .then(() => {
        session.telling -= 1;
      });
  }

  function flush(id: string): void {
    const session = sessions.get(id);
    if (!session) return;
    if (session.timer) clearTimeout(session.timer);
    session.timer = null;
    const held = session.held;
    session.held = [];
    for (const preview of held) for (const hear of session.watchers) hear(preview);
    if (isWanted(session))
      for (const preview of held)
        for (const part of parts(preview)) tell(session, `show ${id} ${JSON.stringify(part)}`);
    forget(id, session);
  }

  return {
    publish(id, preview) {
      const session = sessions.get(id);
      if (!session || (session.watchers.size === 0 && !isWanted(session))) return;
      const last = session.held.at(-1);
      if (last && continues(last.preview, preview.preview)) append(last.preview, preview.preview);
      else session.held.push(structuredClone(preview));
      // The first part goes out at once, what follows it closely goes together.
      if (session.timer) return;
      flush(id);
      session.timer = setTimeout(() => flush(id), limits.preview_coalesce_ms);
    },
    flush,
    watch(id, hear) {
      const session = open(id);
      session.watchers.add(hear);
      notify(`want ${id}`);
      return {
        close() {
          session.watchers.delete(hear);
          forget(id, session);
        },
      };
    },
    ask() {
      notify("ask");
    },
    answer,
    heard(payload) {
      const [, word, id = "", rest = ""] = /^(\w+) ?(\S*) ?(.*)$/s.exec(payload) ?? [];
      if (word === "ask") answer();
      else if (word === "want") {
        const wanted = rest === "" ? [id] : [id, ...rest.split(" ")];
        for (const each of wanted) open(each).wanted_until = Date.now() + limits.preview_want_ms;
      } else if (word === "show" && rest) {
        const preview = JSON.parse(rest) as SessionPreview;
        for (const hear of sessions.get(id)?.watchers ?? []) hear(preview);
      }
    },
    close() {
      clearInterval(renewing);
      if (answering) clearTimeout(answering);
      for (const session of sessions.values()) if (session.timer) clearTimeout(session.timer);
      sessions.clear();
    },
  };
}

const continues = (last: Preview, next: Preview) =>
  last.type === "event_delta" &&
  next.type === "event_delta" &&
  last.event_id === next.event_id &&
  last.delta.index === next.delta.index;

function append(last: Preview, next: Preview): void {
  if (last.type === "event_delta" && next.type === "event_delta") {
    last.delta.content.text += next.delta.content.text;
  }
}

/** Ids with blanks between them, of as many as fit into one notification each. */
function batches(ids: readonly string[]): string[] {
  const made: string[] = [];
  for (const id of ids) {
    const last = made.at(-1);
    if (last === undefined || last.length + 1 + id.length > limits.preview_notify_bytes_max) made.push(id);
    else made[made.length - 1] = `${last} ${id}`;
  }
  return made;
}

/** Pieces small enough for one notification each. */
function parts(preview: SessionPreview): SessionPreview[] {
  if (preview.preview.type !== "event_delta") return [preview];
  const { text } = preview.preview.delta.content;
  const delta = preview.preview;
  const pieces: SessionPreview[] = [];
  // Escaped, a UTF-16 unit takes at most six bytes.
  const most = Math.floor(limits.preview_notify_bytes_max / 6);
  for (let from = 0; from < text.length; ) {
    let to = Math.min(from + most, text.length);
    if (/[\ud800-\udbff]/.test(text[to - 1] ?? "") && to < text.length) to -= 1;
    const content = { type: "text" as const, text: text.slice(from, to) };
    const piece = { ...delta, delta: { ...delta.delta, content } };
    pieces.push({ ...preview, at: preview.at + from, preview: piece });
    from = to;
  }
  return pieces;
}
