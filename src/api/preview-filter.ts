import { limits } from "../limits.ts";
import type { Entry } from "../log/entry.ts";
import type { Preview, SessionPreview } from "../log/previews.ts";

export interface PreviewFilter {
  hear(preview: SessionPreview): void;
  /** The stream has shown everything up to this entry. */
  passed(entry: Entry): void;
}

/**
 * What of a session's previews one stream shows: of its thread and of the types it asked for; not before the entry that
 * the answer was asked for at; nothing of an event whose start it has missed, and nothing after the event itself.
 */
export function previewFilter(
  stream: { threadId: string | null; start: { seq: number }; wanted: { deltas: readonly string[] } },
  show: (preview: Preview) => void,
): PreviewFilter {
  const open = new Set<string>();
  let held: SessionPreview[] = [];
  let shownSeq = stream.start.seq;

  function pass({ preview }: SessionPreview): void {
    if (preview.type === "event_start") {
      if (!stream.wanted.deltas.includes(preview.event.type)) return;
      open.add(preview.event.id);
      show(preview);
    } else if (open.has(preview.event_id)) show(preview);
  }

  return {
    hear(preview) {
      if (stream.threadId !== null && preview.thread_id !== stream.threadId) return;
      if (preview.seq <= shownSeq) pass(preview);
      else if (held.length < limits.previews_held_max) held.push(preview);
    },
    passed(entry) {
      shownSeq = entry.seq;
      // Whatever came before the event that an answer becomes is in its place by now; the rest is too late.
      open.delete(entry.id);
      const due = held.filter((preview) => preview.seq <= shownSeq);
      held = held.filter((preview) => preview.seq > shownSeq);
      for (const preview of due) pass(preview);
      if (entry.type === "span.model_request_end") open.clear();
    },
  };
}
