import {
  type AssistantBlock,
  type ModelEvent,
  type ModelRequest,
  type ModelStop,
  type ModelUsage,
  noUsage,
} from "../model.ts";
import { inputUsage, messageTokens } from "./tokens.ts";

/** A block that does not grow. */
type Whole = Extract<AssistantBlock, { type: "thinking" | "tool_use" }>;

export type Answer = ReturnType<typeof startAnswer>;

/** An answer as it grows. */
export function startAnswer(request: ModelRequest) {
  const content: AssistantBlock[] = [];
  const callsBefore = callsIn(request);
  let calls = 0;
  let reported: Partial<ModelUsage> = {};

  const usage = (): ModelUsage => ({
    ...inputUsage(request),
    output_tokens: messageTokens({ role: "assistant", content }),
    ...reported,
  });

  return {
    calls: () => calls,
    nextCallId: () => `toolu_sim_${callsBefore + calls + 1}`,
    /** Announces the block that `add` completes. */
    begin: (block: "thinking" | "tool_use"): ModelEvent => ({
      type: "block_start",
      index: content.length,
      block,
    }),
    add(block: Whole): ModelEvent[] {
      const index = content.push(block) - 1;
      if (block.type === "tool_use") calls += 1;
      const end: ModelEvent = { type: "block_end", index, block };
      return block.type === "thinking"
        ? [{ type: "thinking_delta", index, text: block.thinking }, end]
        : [end];
    },
    /** Text that follows text goes on in the same block, on a new line. */
    openText(): { start: ModelEvent | null; lead: string } {
      if (content.at(-1)?.type === "text") return { start: null, lead: "\n" };
      content.push({ type: "text", text: "" });
      return { start: { type: "block_start", index: content.length - 1, block: "text" }, lead: "" };
    },
    addText(text: string): ModelEvent {
      const index = content.length - 1;
      const block = content[index];
      if (block?.type === "text") block.text += text;
      return { type: "text_delta", index, text };
    },
    report: (counts: Partial<ModelUsage>) => {
      reported = { ...reported, ...counts };
    },
    usage,
    /** A request that fails before its first word costs nothing. */
    usageIfBegun: () => (content.length > 0 ? usage() : noUsage),
    finished: (stop: ModelStop): ModelEvent => ({ type: "finished", content, stop, usage: usage() }),
  };
}

const callsIn = ({ messages }: ModelRequest): number =>
  messages
    .flatMap((message): { type: string }[] => message.content)
    .filter((block) => block.type === "tool_use").length;
