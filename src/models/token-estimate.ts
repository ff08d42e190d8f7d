import type { BinarySource, ModelMessage, ModelRequest, UserBlock } from "./model.ts";

/** How many tokens something takes, guessed on the high side: only its provider knows. */

export const requestTokens = (request: Pick<ModelRequest, "system" | "tools" | "messages">): number =>
  tokensIn(request.system.length + JSON.stringify(request.tools).length) + messagesTokens(request.messages);

export const messagesTokens = (messages: readonly ModelMessage[]): number =>
  messages.reduce((sum, message) => sum + messageTokens(message), 0);

function messageTokens({ content }: ModelMessage): number {
  return (content as (ModelMessage["content"][number] & UserBlock)[]).reduce(
    (sum, block) => sum + blockTokens(block),
    0,
  );
}

/** On the low side. */
export const chars_per_token = 3;
const image_tokens = 1_600;
/** What a page of a PDF takes in bytes and in tokens, about. */
const pdf_page_bytes = 50_000;
const pdf_page_tokens = 2_500;

const tokensIn = (chars: number) => Math.ceil(chars / chars_per_token);

export function blockTokens(block: ModelMessage["content"][number]): number {
  switch (block.type) {
    case "text":
      return tokensIn(block.text.length);
    case "image":
      return image_tokens;
    case "document":
      if (block.source.type === "text") return tokensIn(block.source.data.length);
      if (block.source.type === "url") return 10 * pdf_page_tokens;
      return documentTokens(block.source);
    case "search_result":
      return block.content.reduce((sum, text) => sum + tokensIn(text.length), 0);
    case "tool_result":
      return block.content.reduce((sum, part) => sum + blockTokens(part), 0);
    case "thinking":
      return tokensIn(block.thinking.length);
    case "redacted_thinking":
      return tokensIn(block.data.length);
    case "tool_use":
      return tokensIn(JSON.stringify(block.input).length);
  }
}

function documentTokens({ media_type, data, stored }: Extract<BinarySource, { type: "base64" }>): number {
  const bytes = (stored?.chars ?? data.length) * 0.75;
  if (media_type.startsWith("text/")) return tokensIn(bytes);
  return Math.ceil(bytes / pdf_page_bytes) * pdf_page_tokens;
}
