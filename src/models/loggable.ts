import { randomBytes } from "node:crypto";
import { limits } from "../limits.ts";
import type { AssistantBlock, Model, ModelMessage } from "./model.ts";

/** A provider's model whose answers may be kept and shown, whatever the provider sends. */
export function loggable(model: Model, api_key: string | null): Model {
  return {
    async *stream(request, signal) {
      for await (const event of model.stream(request, signal)) {
        if (event.type === "finished")
          yield { ...event, content: withOwnCallIds(event.content, request.messages) };
        else if (event.type === "failed")
          yield { ...event, failure: { ...event.failure, message: told(event.failure.message, api_key) } };
        else yield event;
      }
    },
  };
}

/** Some servers repeat what they were sent, their errors then hold the key. */
function told(message: string, api_key: string | null): string {
  const named = api_key === null || api_key === "" ? message : message.replaceAll(api_key, "[the key]");
  const safe = named.replace(/\bBearer [^\s"']+/gi, "Bearer [the key]");
  return safe.length > limits.model_error_chars_max
    ? `${safe.slice(0, limits.model_error_chars_max)}...`.toWellFormed()
    : safe;
}

/** Calls and their results find each other by the id. Some servers give none, or the same one again in each answer. */
function withOwnCallIds(
  content: readonly AssistantBlock[],
  messages: readonly ModelMessage[],
): AssistantBlock[] {
  const taken = new Set(messages.flatMap((message) => (message.role === "assistant" ? idsIn(message) : [])));
  return content.map((block) => {
    if (block.type !== "tool_use") return block;
    const id = block.id === "" || taken.has(block.id) ? `call_${randomBytes(12).toString("hex")}` : block.id;
    taken.add(id);
    return { ...block, id };
  });
}

const idsIn = ({ content }: { content: AssistantBlock[] }): string[] =>
  content.flatMap((block) => (block.type === "tool_use" ? [block.id] : []));
