import { randomBytes } from "node:crypto";
import { limits } from "../limits.ts";
import type { AssistantBlock, Model, ModelMessage } from "./model.ts";

/** A provider's model whose answers may be kept and shown, whatever the provider sends. */
export function loggable(model: Model, api_key: string | null): Model {
  return {
    async *stream(request, signal) {
      const owned = ownCallIds(request.messages);
      for await (const event of model.stream(request, signal)) {
        if (event.type === "block_end") yield { ...event, block: owned(event.block, event.index) };
        else if (event.type === "finished") yield { ...event, content: event.content.map(owned) };
        else if (event.type === "failed")
          yield { ...event, failure: { ...event.failure, message: told(event.failure.message, api_key) } };
        else yield event;
      }
    },
  };
}

/** Some servers repeat what they were sent, their errors then hold the key. */
export function withoutKey(text: string, api_key: string | null): string {
  const named = api_key === null || api_key === "" ? text : text.replaceAll(api_key, "[the key]");
  return named.replace(/\bBearer [^\s"']+/gi, "Bearer [the key]");
}

const told = (message: string, api_key: string | null): string => brief(withoutKey(message, api_key));

export const brief = (message: string): string =>
  message.length > limits.model_error_chars_max
    ? `${message.slice(0, limits.model_error_chars_max)}...`.toWellFormed()
    : message;

/**
 * Calls and their results find each other by the id. Some servers give none, or the same one again in each answer. A block
 * keeps its id however often it is told.
 */
function ownCallIds(messages: readonly ModelMessage[]) {
  const taken = new Set(messages.flatMap((message) => (message.role === "assistant" ? idsIn(message) : [])));
  const given = new Map<number, string>();
  return (block: AssistantBlock, index: number): AssistantBlock => {
    if (block.type !== "tool_use") return block;
    const isFree = block.id !== "" && !taken.has(block.id);
    const id = given.get(index) ?? (isFree ? block.id : `call_${randomBytes(12).toString("hex")}`);
    taken.add(id);
    given.set(index, id);
    return { ...block, id };
  };
}

const idsIn = ({ content }: { content: AssistantBlock[] }): string[] =>
  content.flatMap((block) => (block.type === "tool_use" ? [block.id] : []));
