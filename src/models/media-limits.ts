import { excessOf, loadOf, type Media, mediaOf, plus } from "../protocol/media.ts";
import type { ContentBlock, ModelMessage, UserBlock } from "./model.ts";

type MediaBlock = Extract<ContentBlock, { type: "image" | "document" }>;
type Item = Media & { block: MediaBlock };

/**
 * A conversation may gather more images and documents than the API takes in one request: the oldest give way to a note.
 * Then so many go that half of what is allowed is left, so that the requests that follow extend each other again.
 */
export function withinLimits(messages: readonly ModelMessage[]): ModelMessage[] {
  const kept = keptOf(messages.map(mediaIn));
  const without = (block: ContentBlock): ContentBlock =>
    isMedia(block) && !kept.has(block) ? noteOf(block) : block;
  return messages.map((message) => {
    if (message.role !== "user") return message;
    const content = message.content.map(
      (block): UserBlock =>
        block.type === "tool_result" ? { ...block, content: block.content.map(without) } : without(block),
    );
    return { role: "user", content };
  });
}

/** Depends on what came before alone, message by message: what one request leaves out, each one after it does. */
function keptOf(groups: Item[][]): Set<ContentBlock> {
  let kept: Item[] = [];
  for (const group of groups) {
    const all = [...kept, ...group];
    kept = excessOf(loadOf(all)) === null ? all : [...fitting(kept, 1 / 2, group), ...fitting(group, 1, [])];
  }
  return new Set(kept.map(({ block }) => block));
}

/** The newest of the older ones that fill no more than that share of a request, together with the newer ones. */
function fitting(older: Item[], share: number, newer: Item[]): Item[] {
  const kept: Item[] = [];
  let load = loadOf(newer);
  for (const item of older.toReversed()) {
    const more = plus(load, item);
    const excess = excessOf(more, share);
    if (excess !== null && (excess === "chars" || item.image)) continue;
    kept.unshift(item);
    load = more;
  }
  return kept;
}

function mediaIn({ role, content }: ModelMessage): Item[] {
  if (role !== "user") return [];
  return content
    .flatMap((block) => (block.type === "tool_result" ? block.content : [block]))
    .filter(isMedia)
    .map((block) => ({ ...mediaOf(block), block }));
}

const isMedia = (block: ContentBlock): block is MediaBlock =>
  block.type === "image" || block.type === "document";

const noteOf = ({ type }: MediaBlock): ContentBlock => ({
  type: "text",
  text: `[The ${type} that was here is left out: the model's provider takes only so many at once, and newer ones came.]`,
});
