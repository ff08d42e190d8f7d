import type { Preview } from "../log/previews.ts";
import type { ModelEvent } from "../models/model.ts";

/** Ids that were given to events of an answer while it streamed, in the order the events will come. */
export interface PreviewedIds {
  messages: string[];
  thinking: string[];
}

interface Block {
  /** Its place in its message. */
  index: number;
  /** How much of its text was shown, in UTF-16 units. */
  shown: number;
  /** The first half of a surrogate pair whose second half is still to come. */
  half: string;
}

/**
 * Turns the stream of an answer into previews, and remembers the ids they carry: the events that the answer becomes
 * have to carry the same. Texts that follow each other are one message; an empty text is none. `at` is how much of a
 * delta's text was shown before.
 */
export function startPreview(newId: () => string, show: (preview: Preview, at: number) => void) {
  const ids: PreviewedIds = { messages: [], thinking: [] };
  /** The message that is open, and its text blocks by their index in the answer. */
  let message: { id: string; blocks: Map<number, Block> } | null = null;

  return {
    ids,
    take(event: ModelEvent): void {
      if (event.type === "block_start" && event.block !== "text") {
        message = null;
        if (event.block !== "thinking") return;
        const id = newId();
        ids.thinking.push(id);
        show({ type: "event_start", event: { type: "agent.thinking", id } }, 0);
      }
      if (event.type !== "text_delta" || event.text === "") return;
      if (!message) {
        message = { id: newId(), blocks: new Map() };
        ids.messages.push(message.id);
        show({ type: "event_start", event: { type: "agent.message", id: message.id } }, 0);
      }
      const block = message.blocks.get(event.index) ?? { index: message.blocks.size, shown: 0, half: "" };
      message.blocks.set(event.index, block);
      const { whole, half } = withoutHalf(block.half + event.text);
      block.half = half;
      if (whole === "") return;
      const content = { type: "text", text: whole } as const;
      const delta = { type: "content_delta", index: block.index, content } as const;
      show({ type: "event_delta", event_id: message.id, delta }, block.shown);
      block.shown += whole.length;
    },
  };
}

/** A text that ends in the middle of a character is cut before it. */
function withoutHalf(text: string): { whole: string; half: string } {
  const at = /[\ud800-\udbff]$/.test(text) ? text.length - 1 : text.length;
  return { whole: text.slice(0, at), half: text.slice(at) };
}
