import type { Preview } from "../log/previews.ts";
import type { ModelEvent } from "../models/model.ts";

/** Ids that were given to events of an answer while it streamed, in the order the events will come. */
export interface PreviewedIds {
  messages: string[];
  thinking: string[];
}

/**
 * Turns the stream of an answer into previews, and remembers the ids they carry: the events that the answer becomes
 * have to carry the same. Texts that follow each other are one message; an empty text is none.
 */
export function startPreview(newId: () => string, show: (preview: Preview) => void) {
  const ids: PreviewedIds = { messages: [], thinking: [] };
  /** Of the message that is open: its id, and the place in it of each text block. */
  let message: { id: string; places: Map<number, number> } | null = null;

  return {
    ids,
    take(event: ModelEvent): void {
      if (event.type === "block_start" && event.block !== "text") {
        message = null;
        if (event.block !== "thinking") return;
        const id = newId();
        ids.thinking.push(id);
        show({ type: "event_start", event: { type: "agent.thinking", id } });
      }
      if (event.type !== "text_delta" || event.text === "") return;
      if (!message) {
        message = { id: newId(), places: new Map() };
        ids.messages.push(message.id);
        show({ type: "event_start", event: { type: "agent.message", id: message.id } });
      }
      const index = message.places.get(event.index) ?? message.places.size;
      message.places.set(event.index, index);
      const delta = { type: "content_delta", index, content: { type: "text", text: event.text } } as const;
      show({ type: "event_delta", event_id: message.id, delta });
    },
  };
}
