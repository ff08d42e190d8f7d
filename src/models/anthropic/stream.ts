import { z } from "zod";
import { BrokenStream } from "../broken.ts";
import { isObject, parsedJson } from "../json.ts";
import { type AssistantBlock, type ModelEvent, type ModelStop, type ModelUsage, noUsage } from "../model.ts";

const count = z.number().nonnegative().nullish();

/** Of a message and of the events of its stream. */
export const wireUsage = z.object({
  input_tokens: count,
  output_tokens: count,
  cache_read_input_tokens: count,
  cache_creation_input_tokens: count,
  cache_creation: z.object({ ephemeral_5m_input_tokens: count, ephemeral_1h_input_tokens: count }).nullish(),
});

const startedBlock = z.discriminatedUnion("type", [
  z.object({ type: z.literal("text"), text: z.string() }),
  z.object({ type: z.literal("thinking"), thinking: z.string(), signature: z.string().nullish() }),
  z.object({ type: z.literal("redacted_thinking"), data: z.string() }),
  z.object({ type: z.literal("tool_use"), id: z.string(), name: z.string(), input: z.unknown() }),
]);

const delta = z.discriminatedUnion("type", [
  z.object({ type: z.literal("text_delta"), text: z.string() }),
  z.object({ type: z.literal("input_json_delta"), partial_json: z.string() }),
  z.object({ type: z.literal("thinking_delta"), thinking: z.string() }),
  z.object({ type: z.literal("signature_delta"), signature: z.string() }),
]);

const streamEvent = z.discriminatedUnion("type", [
  z.object({ type: z.literal("message_start"), message: z.object({ usage: wireUsage.nullish() }) }),
  z.object({
    type: z.literal("content_block_start"),
    index: z.int(),
    content_block: z.looseObject({ type: z.string() }),
  }),
  z.object({
    type: z.literal("content_block_delta"),
    index: z.int(),
    delta: z.looseObject({ type: z.string() }),
  }),
  z.object({ type: z.literal("content_block_stop"), index: z.int() }),
  z.object({
    type: z.literal("message_delta"),
    delta: z.object({
      stop_reason: z.string().nullish(),
      stop_details: z.object({ category: z.string().nullish(), explanation: z.string().nullish() }).nullish(),
    }),
    usage: wireUsage.nullish(),
  }),
  z.object({ type: z.literal("message_stop") }),
]);

type StartedBlock = z.infer<typeof startedBlock>;
/** `json`: the arguments of a tool call as far as they have come. */
type Open = { block: StartedBlock; json: string };
type Ending = Extract<z.infer<typeof streamEvent>, { type: "message_delta" }>["delta"];

export type Answer = ReturnType<typeof startAnswer>;

/** Puts an answer together from the events of its stream. */
export function startAnswer() {
  const blocks = new Map<number, Open>();
  let used = noUsage;
  let ending: Ending = {};
  let complete = false;

  /** Blocks that are passed over have none. */
  const placeOf = (index: number) => [...blocks.keys()].indexOf(index);

  return {
    /** Throws `BrokenStream`. Returns what is worth telling before the end. */
    take(raw: unknown): ModelEvent | null {
      const event = parse(streamEvent, raw);
      switch (event?.type) {
        case "message_start":
          used = usageAfter(used, event.message.usage ?? {});
          return null;
        case "content_block_start": {
          const block = parse(startedBlock, event.content_block);
          if (block === null) return null;
          blocks.set(event.index, { block, json: "" });
          return { type: "block_start", index: blocks.size - 1, block: markerOf(block) };
        }
        case "content_block_delta": {
          const open = blocks.get(event.index);
          return open ? extend(open, parse(delta, event.delta), placeOf(event.index)) : null;
        }
        case "content_block_stop": {
          const open = blocks.get(event.index);
          return open ? { type: "block_end", index: placeOf(event.index), block: closed(open) } : null;
        }
        case "message_delta":
          used = usageAfter(used, event.usage ?? {});
          ending = event.delta;
          return null;
        case "message_stop":
          complete = true;
          return null;
        case undefined:
          return null;
      }
    },
    usage: (): ModelUsage => used,
    isComplete: () => complete,
    finished(): ModelEvent {
      const content = [...blocks.values()].map(closed);
      return { type: "finished", content, stop: stopOf(ending, content), usage: used };
    },
  };
}

type Union = typeof streamEvent | typeof startedBlock | typeof delta;

/** `null` for a type that is newer than this program, which the API asks to pass over. */
function parse<T extends Union>(union: T, value: unknown): z.infer<T> | null {
  const type = (value as { type?: unknown } | null)?.type;
  const known = union.options.some((option) => option.shape.type.value === type);
  if (!known) return null;
  const parsed = union.safeParse(value);
  if (parsed.success) return parsed.data as z.infer<T>;
  throw new BrokenStream(`a "${type}" of it is malformed, ${z.prettifyError(parsed.error)}`);
}

function markerOf(block: StartedBlock): "text" | "thinking" | "tool_use" {
  return block.type === "redacted_thinking" ? "thinking" : block.type;
}

function extend(open: Open, change: z.infer<typeof delta> | null, index: number): ModelEvent | null {
  const { block } = open;
  if (change?.type === "text_delta" && block.type === "text") {
    block.text += change.text;
    return change.text === "" ? null : { type: "text_delta", index, text: change.text };
  }
  if (change?.type === "input_json_delta") open.json += change.partial_json;
  if (block.type !== "thinking") return null;
  if (change?.type === "signature_delta") block.signature = (block.signature ?? "") + change.signature;
  if (change?.type !== "thinking_delta") return null;
  block.thinking += change.thinking;
  return change.thinking === "" ? null : { type: "thinking_delta", index, text: change.thinking };
}

function closed({ block, json }: Open): AssistantBlock {
  switch (block.type) {
    case "text":
    case "redacted_thinking":
      return block;
    case "thinking":
      return { type: "thinking", thinking: block.thinking, signature: block.signature || null };
    case "tool_use": {
      const about = { type: "tool_use", id: block.id, name: block.name } as const;
      const given = json === "" ? block.input : parsedJson(json);
      return isObject(given)
        ? { ...about, input: given }
        : { ...about, input: {}, malformed: json === "" ? JSON.stringify(given ?? null) : json };
    }
  }
}

/** A full context window cuts an answer as the limit of its length does. Else the content says how to go on. */
function stopOf({ stop_reason, stop_details }: Ending, content: AssistantBlock[]): ModelStop {
  switch (stop_reason) {
    case "refusal":
      return {
        reason: "refusal",
        category: stop_details?.category ?? null,
        explanation: stop_details?.explanation ?? null,
      };
    case "max_tokens":
    case "model_context_window_exceeded":
      return { reason: "max_tokens" };
    default:
      return { reason: content.some((block) => block.type === "tool_use") ? "tool_use" : "end_turn" };
  }
}

/** Counts are cumulative, and only the first of them splits what was written to the cache. */
export function usageAfter(before: ModelUsage, seen: Partial<z.infer<typeof wireUsage>>): ModelUsage {
  const written = seen.cache_creation_input_tokens;
  const long = seen.cache_creation?.ephemeral_1h_input_tokens ?? before.cache_creation_1h_input_tokens;
  const short =
    seen.cache_creation?.ephemeral_5m_input_tokens ??
    (typeof written === "number" ? Math.max(0, written - long) : before.cache_creation_5m_input_tokens);
  return {
    input_tokens: seen.input_tokens ?? before.input_tokens,
    output_tokens: seen.output_tokens ?? before.output_tokens,
    cache_read_input_tokens: seen.cache_read_input_tokens ?? before.cache_read_input_tokens,
    cache_creation_5m_input_tokens: short,
    cache_creation_1h_input_tokens: long,
  };
}
