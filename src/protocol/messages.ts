import { z } from "zod";
import {
  documentBlock,
  imageBlock,
  searchResultBlock,
  textBlock,
  toolResultContentBlock,
} from "./content.ts";

/**
 * The Messages API: what is looked at of every request, and all of it as far as models that speak another language can be
 * asked it.
 */

const model = z.string().min(1, "minimum string length is 1").max(256);

/** The provider that is asked judges the rest. */
export const anyMessageBody = z.looseObject({ model, stream: z.boolean().optional() });
export const anyCountBody = z.looseObject({ model });

/** Null is what is not set, but in what belongs to the client's own tools. */
const understood = <Shape extends z.ZodRawShape>(shape: Shape) =>
  z.preprocess(withoutNulls, z.strictObject(shape));

const ofTheClient = ["input", "input_schema", "schema"];

function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== "object" || value === null) return value;
  const set = Object.entries(value).filter(([, inner]) => inner !== null);
  return Object.fromEntries(
    set.map(([key, inner]) => [key, ofTheClient.includes(key) ? inner : withoutNulls(inner)]),
  );
}

/** A hint about what to keep: whoever caches by itself may pass over it. */
const cacheable = {
  cache_control: z
    .strictObject({ type: z.literal("ephemeral"), ttl: z.enum(["5m", "1h"]).optional() })
    .optional(),
};
const uncited = z.strictObject({ enabled: z.literal(false, "must be false: this model does not cite") });

const text = textBlock.extend(cacheable);
const texts = z.union([z.string(), z.array(text)]);
const image = imageBlock.extend(cacheable);
const document = documentBlock.extend({ ...cacheable, citations: uncited.optional() });
const found = searchResultBlock.extend({ ...cacheable, citations: uncited.optional() });

const [resultText] = toolResultContentBlock.options;
const resultBlock = z.discriminatedUnion("type", [resultText.extend(cacheable), image, document, found]);

const toolName = z.string().regex(/^[a-zA-Z0-9_-]{1,128}$/, "must be 1 to 128 letters, digits, _ and -");
const callId = z.string().regex(/^[a-zA-Z0-9_-]{1,256}$/, "must be 1 to 256 letters, digits, _ and -");
const jsonObject = z.record(z.string(), z.unknown());

const userBlock = z.discriminatedUnion("type", [
  text,
  image,
  document,
  found,
  z.strictObject({
    type: z.literal("tool_result"),
    tool_use_id: callId,
    content: z.union([z.string(), z.array(resultBlock)]).optional(),
    is_error: z.boolean().optional(),
    ...cacheable,
  }),
]);

const assistantBlock = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("text"), text: z.string(), ...cacheable }),
  z.strictObject({ type: z.literal("thinking"), thinking: z.string(), signature: z.string() }),
  z.strictObject({ type: z.literal("redacted_thinking"), data: z.string() }),
  z.strictObject({
    type: z.literal("tool_use"),
    id: callId,
    name: toolName,
    input: jsonObject,
    caller: z.strictObject({ type: z.literal("direct") }).optional(),
    ...cacheable,
  }),
]);

const message = z.discriminatedUnion("role", [
  z.strictObject({ role: z.literal("user"), content: z.union([z.string(), z.array(userBlock)]) }),
  z.strictObject({ role: z.literal("system"), content: texts }),
  z.strictObject({ role: z.literal("assistant"), content: z.union([z.string(), z.array(assistantBlock)]) }),
]);
export type MessageParam = z.infer<typeof message>;

const tool = z.strictObject({
  type: z.literal("custom", "must be a tool of your own: this model has none of Anthropic's").optional(),
  name: toolName,
  description: z.string().optional(),
  input_schema: jsonObject,
  strict: z.boolean().optional(),
  /** Wishes that hold by themselves: all arguments come when they are whole, all tools are there from the start. */
  eager_input_streaming: z.boolean().optional(),
  defer_loading: z.literal(false, "must be false: this model gets all tools at once").optional(),
  allowed_callers: z
    .array(z.literal("direct", 'must be "direct": only the model itself calls tools'))
    .min(1)
    .optional(),
  ...cacheable,
});

const severalAtOnce = {
  disable_parallel_tool_use: z
    .literal(false, "must be false: this model cannot be held to one call")
    .optional(),
};
const toolChoice = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("auto"), ...severalAtOnce }),
  z.strictObject({ type: z.literal("any"), ...severalAtOnce }),
  z.strictObject({ type: z.literal("tool"), name: toolName, ...severalAtOnce }),
  z.strictObject({ type: z.literal("none") }),
]);

const display = z
  .literal("summarized", 'must be "summarized": thoughts come as the model gives them')
  .optional();
const thinking = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("enabled"), budget_tokens: z.int().min(1024), display }),
  z.strictObject({ type: z.literal("adaptive"), display }),
  z.strictObject({ type: z.literal("disabled") }),
]);

const speed = z.literal("standard", 'must be "standard": this model has one speed').optional();

const conversation = {
  model,
  messages: z.array(message).min(1),
  system: texts.optional(),
  tools: z.array(tool).max(256).optional(),
  tool_choice: toolChoice.optional(),
  thinking: thinking.optional(),
  output_config: z
    .strictObject({
      effort: z.enum(["low", "medium", "high", "xhigh", "max"]).optional(),
      format: z.strictObject({ type: z.literal("json_schema"), schema: jsonObject }).optional(),
    })
    .optional(),
  ...cacheable,
};

export const messageBody = understood({
  ...conversation,
  max_tokens: z.int().min(1),
  stream: z.boolean().optional(),
  stop_sequences: z.array(z.string().min(1)).max(16).optional(),
  temperature: z.number().min(0).max(1).optional(),
  top_p: z.number().min(0).max(1).optional(),
  top_k: z.int().min(0).optional(),
  metadata: z.strictObject({ user_id: z.string().max(256).optional() }).optional(),
  service_tier: z.enum(["auto", "standard_only"]).optional(),
  speed,
});
export type MessageBody = z.infer<typeof messageBody>;

export const countBody = understood({ ...conversation, speed });
export type CountBody = z.infer<typeof countBody>;

/** As answers are documented; what a provider sends goes to the client as it is. */
export const messageAnswer = z.looseObject({ id: z.string(), type: z.literal("message") });
export const messageEvent = z.looseObject({ type: z.string() });
export const tokenCount = z.looseObject({ input_tokens: z.int() });
