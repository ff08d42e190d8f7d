import type { LanguageModelV4StreamPart, SharedV4ProviderMetadata } from "@ai-sdk/provider";
import { cutShort } from "../broken.ts";
import { jsonObject } from "../json.ts";
import { type AssistantBlock, type ModelEvent, type ModelStop, type ModelUsage, noUsage } from "../model.ts";
import { usageOf, usageSoFar } from "./usage.ts";

type Part = LanguageModelV4StreamPart;
type Finish = Extract<Part, { type: "finish" }>;
/** `json`: the arguments of a tool call as far as they have come; `whole`: that is all of them. */
type Open = { block: AssistantBlock; json: string; whole: boolean };

/** What a provider sent as an error within its stream. */
export class ErrorInStream extends Error {
  override readonly name = "ErrorInStream";
}

/** Puts an answer together from the parts of its stream. Blocks are numbered in the order in which they begin. */
export function startAnswer(provider: string) {
  const blocks: Open[] = [];
  /** Ids of parts are unique among those of one kind that are open. */
  const open = new Map<string, number>();
  let finish: Finish | null = null;
  let soFar = noUsage;

  function begin(key: string, block: AssistantBlock): ModelEvent {
    open.set(key, blocks.push({ block, json: "", whole: false }) - 1);
    return { type: "block_start", index: blocks.length - 1, block: markerOf(block) };
  }

  /** Of a block, the newest metadata holds. */
  function note(key: string, metadata: SharedV4ProviderMetadata | undefined): void {
    const found = blocks[open.get(key) ?? -1];
    if (found && found.block.type !== "redacted_thinking" && metadata !== undefined)
      found.block.vendor = { provider, data: JSON.stringify(metadata) };
  }

  function textDelta(key: string, text: string): ModelEvent[] {
    if (text === "") return [];
    const started = open.has(key) ? [] : [begin(key, { type: "text", text: "" })];
    const index = open.get(key) ?? -1;
    const block = blocks[index]?.block;
    if (block?.type === "text") block.text += text;
    return [...started, { type: "text_delta", index, text }];
  }

  function thinkingDelta(key: string, text: string): ModelEvent[] {
    const index = open.get(key) ?? -1;
    const block = blocks[index]?.block;
    if (block?.type !== "thinking" || text === "") return [];
    block.thinking += text;
    return [{ type: "thinking_delta", index, text }];
  }

  function end(key: string): ModelEvent[] {
    const index = open.get(key) ?? -1;
    const found = blocks[index];
    return found ? [{ type: "block_end", index, block: closed(found) }] : [];
  }

  /** Providers that do not stream arguments send the call alone. Calls of one id end in the order in which they began. */
  function call(part: Extract<Part, { type: "tool-call" }>): ModelEvent[] {
    const { toolCallId: id, toolName, input } = part;
    const key = `call ${id}`;
    const begun = blocks.findIndex(
      ({ block, whole }) => block.type === "tool_use" && block.id === id && !whole,
    );
    const started = begun < 0 ? [begin(key, toolUse(id, toolName))] : [];
    const found = blocks.at(begun);
    if (begun >= 0) open.set(key, begun);
    if (found) Object.assign(found, { json: input, whole: true });
    note(key, part.providerMetadata);
    return [...started, ...end(key)];
  }

  return {
    /** Throws what the provider reports as an error. Returns what is worth telling before the end. */
    take(part: Part): ModelEvent[] {
      switch (part.type) {
        case "text-delta": {
          const events = textDelta(`text ${part.id}`, part.delta);
          note(`text ${part.id}`, part.providerMetadata);
          return events;
        }
        case "text-end":
        case "reasoning-end": {
          const key = `${part.type === "text-end" ? "text" : "thinking"} ${part.id}`;
          note(key, part.providerMetadata);
          const ended = end(key);
          open.delete(key);
          return ended;
        }
        case "reasoning-start": {
          const key = `thinking ${part.id}`;
          const vendor = { provider, data: null };
          const started = begin(key, { type: "thinking", thinking: "", signature: null, vendor });
          note(key, part.providerMetadata);
          return [started];
        }
        case "reasoning-delta":
          note(`thinking ${part.id}`, part.providerMetadata);
          return thinkingDelta(`thinking ${part.id}`, part.delta);
        case "tool-input-start":
          return part.providerExecuted ? [] : [begin(`call ${part.id}`, toolUse(part.id, part.toolName))];
        case "tool-input-delta": {
          const found = blocks[open.get(`call ${part.id}`) ?? -1];
          if (found) found.json += part.delta;
          return [];
        }
        case "tool-call":
          return part.providerExecuted ? [] : call(part);
        case "raw":
          soFar = usageSoFar(part.rawValue) ?? soFar;
          return [];
        case "error":
          throw new ErrorInStream("The stream holds an error.", { cause: part.error });
        case "finish":
          finish = finishOf(part);
          return [];
        default:
          return [];
      }
    },
    usage: (): ModelUsage => (finish === null ? soFar : usageOf(finish.usage)),
    isComplete: () => finish !== null,
    finished(): ModelEvent {
      if (finish === null) throw new Error("the answer is not complete");
      const content = blocks.map(closed);
      return { type: "finished", content, stop: stopOf(finish, content), usage: usageOf(finish.usage) };
    },
  };
}

/** The SDKs also end a stream that was cut, and then know no reason. */
function finishOf(part: Finish): Finish {
  const { unified, raw } = part.finishReason;
  if (unified === "error" && raw !== undefined)
    throw new ErrorInStream("The answer failed.", { cause: { message: `the answer ended with ${raw}` } });
  if (unified === "error" || unified === "interrupted" || (unified === "other" && raw === undefined))
    throw cutShort();
  return part;
}

const toolUse = (id: string, name: string): AssistantBlock => ({ type: "tool_use", id, name, input: {} });

const markerOf = ({ type }: AssistantBlock) => (type === "redacted_thinking" ? "thinking" : type);

function closed({ block, json }: Open): AssistantBlock {
  if (block.type !== "tool_use" || json.trim() === "") return block;
  const input = jsonObject(json);
  return input === null ? { ...block, malformed: json } : { ...block, input };
}

/** The content says how to go on, where the provider has no other reason. */
function stopOf({ finishReason: { unified, raw } }: Finish, content: AssistantBlock[]): ModelStop {
  if (unified === "length") return { reason: "max_tokens" };
  if (unified === "content-filter") {
    const explanation = raw === undefined ? null : `The provider ended the answer: ${raw}.`;
    return { reason: "refusal", category: null, explanation };
  }
  return { reason: content.some((block) => block.type === "tool_use") ? "tool_use" : "end_turn" };
}
