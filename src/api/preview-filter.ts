import { limits } from "../limits.ts";
import type { Entry } from "../log/entry.ts";
import type { Preview, SessionPreview } from "../log/previews.ts";
import { primaryThreadOf } from "../log/thread-id.ts";

export interface PreviewFilter {
  hear(preview: SessionPreview): void;
  /** The stream has shown everything up to this entry. */
  passed(entry: Entry): void;
}

/**
 * What of a session's previews one stream shows: of its thread and of the types it asked for; not before the entry that
 * the answer was asked for at, and nothing once the answer is there. Of an event whose start it has missed it shows
 * nothing, and where a delta is missing or was shed, no later one: what was shown is always a prefix.
 */
export function previewFilter(
  stream: {
    sessionId: string;
    threadId: string | null;
    start: { seq: number };
    wanted: { deltas: readonly string[] };
  },
  show: (preview: Preview) => "shown" | "shed",
): PreviewFilter {
  const threadId = stream.threadId ?? primaryThreadOf(stream.sessionId);
  /** The events that are being shown, with the length of each of their texts so far. */
  const open = new Map<string, Map<number, number>>();
  let held: SessionPreview[] = [];
  let shownSeq = stream.start.seq;
  /** The newest entry that ends an answer of the thread. What was asked for before it is over, whoever still writes it. */
  let endedSeq = 0;

  function pass({ seq, at, preview }: SessionPreview): void {
    if (seq < endedSeq) return;
    if (preview.type === "event_start") {
      if (!stream.wanted.deltas.includes(preview.event.type)) return;
      if (show(preview) === "shown") open.set(preview.event.id, new Map());
      return;
    }
    const lengths = open.get(preview.event_id);
    if (!lengths) return;
    const { index, content } = preview.delta;
    const isNext = at === (lengths.get(index) ?? 0);
    if (isNext && show(preview) === "shown") lengths.set(index, at + content.text.length);
    else open.delete(preview.event_id);
  }

  return {
    hear(preview) {
      if (preview.thread_id !== threadId) return;
      if (preview.seq <= shownSeq) pass(preview);
      else if (held.length < limits.previews_held_max) held.push(preview);
    },
    passed(entry) {
      shownSeq = entry.seq;
      if (entry.thread_id === threadId && endsAnswer(entry)) {
        open.clear();
        endedSeq = entry.seq;
      }
      const due = held.filter((preview) => preview.seq <= shownSeq);
      held = held.filter((preview) => preview.seq > shownSeq);
      for (const preview of due) pass(preview);
    },
  };
}

/** An answer's events are in the log together, with the end of its request. */
const endsAnswer = ({ type }: Entry) =>
  type === "agent.message" || type === "agent.thinking" || type === "span.model_request_end";
