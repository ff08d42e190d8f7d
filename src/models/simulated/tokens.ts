import type { ModelMessage, ModelRequest, ModelUsage, UserBlock } from "../model.ts";

const chars_per_token = 4;
const tokens_per_image_or_file = 1_000;

/** Input as a cache would count it: all but the newest message was there the last time. */
export function inputUsage({ system, tools, messages }: ModelRequest): Omit<ModelUsage, "output_tokens"> {
  const newest = messages.at(-1);
  const before = messages.slice(0, -1);
  const fixed = tokens(system.length + tools.reduce((sum, tool) => sum + JSON.stringify(tool).length, 0));
  return {
    input_tokens: newest ? messageTokens(newest) : 0,
    cache_read_input_tokens: before.length > 0 ? before.map(messageTokens).reduce(sum, fixed) : 0,
    cache_creation_5m_input_tokens: before.length > 0 ? 0 : fixed,
    cache_creation_1h_input_tokens: 0,
  };
}

export const messageTokens = ({ content }: ModelMessage): number => content.map(blockTokens).reduce(sum, 0);

function blockTokens(block: ModelMessage["content"][number]): number {
  switch (block.type) {
    case "text":
      return tokens(block.text.length);
    case "thinking":
      return tokens(block.thinking.length);
    case "redacted_thinking":
      return tokens(block.data.length);
    case "tool_use":
      return tokens(block.name.length + (block.malformed ?? JSON.stringify(block.input)).length);
    case "tool_result":
      return block.content.map((inner: UserBlock) => blockTokens(inner)).reduce(sum, 0);
    case "document":
      return block.source.type === "text" ? tokens(block.source.data.length) : tokens_per_image_or_file;
    case "image":
      return tokens_per_image_or_file;
    case "search_result":
      return tokens([block.title, block.source, ...block.content].join("").length);
  }
}

const tokens = (chars: number) => Math.ceil(chars / chars_per_token);
const sum = (a: number, b: number) => a + b;
