import type Anthropic from "@anthropic-ai/sdk";
import type {
  AssistantBlock,
  ContentBlock,
  ModelFailure,
  ModelRequest,
  ModelStop,
  ModelUsage,
  UserBlock,
} from "../../src/models/model.ts";
import { inputUsage } from "../../src/models/simulated/tokens.ts";

/** Between the Messages API and what the simulated model takes and tells. */

type Params = Anthropic.MessageCreateParams;
type Block = Anthropic.ContentBlockParam;

/** As far as the simulated model looks at it: text, calls, results, and that something is an image or a file. */
export const requestOf = (body: Params, attempt: number): ModelRequest => ({
  model: body.model,
  effort: null,
  speed: "standard",
  system: textOf(body.system ?? ""),
  tools: (body.tools ?? []).flatMap((tool) =>
    "input_schema" in tool
      ? [{ name: tool.name, description: tool.description ?? "", input_schema: { ...tool.input_schema } }]
      : [],
  ),
  messages: body.messages.map(({ role, content }) => {
    const blocks = typeof content === "string" ? [{ type: "text" as const, text: content }] : content;
    if (role === "assistant") return { role, content: blocks.flatMap(assistantBlock) };
    if (role === "user") return { role, content: blocks.flatMap(userBlock) };
    return { role: "system" as const, content: [{ type: "text" as const, text: textOf(blocks) }] };
  }),
  attempt,
});

const textOf = (text: string | Block[]): string =>
  typeof text === "string" ? text : text.map((block) => (block.type === "text" ? block.text : "")).join("\n");

function userBlock(block: Block): UserBlock[] {
  if (block.type !== "tool_result") return contentBlock(block);
  const { tool_use_id, content = [], is_error = false } = block;
  const blocks: Block[] =
    typeof content === "string" ? [{ type: "text", text: content }] : (content as Block[]);
  return [{ type: "tool_result", tool_use_id, content: blocks.flatMap(contentBlock), is_error }];
}

function contentBlock(block: Block): ContentBlock[] {
  switch (block.type) {
    case "text":
      return [{ type: "text", text: block.text }];
    case "image":
    case "document":
      return [{ type: block.type, source: { type: "url", url: "" } }];
    default:
      return [];
  }
}

function assistantBlock(block: Block): AssistantBlock[] {
  switch (block.type) {
    case "text":
      return [{ type: "text", text: block.text }];
    case "tool_use":
      return [{ type: "tool_use", id: block.id, name: block.name, input: { ...(block.input as object) } }];
    default:
      return [];
  }
}

export const startEvent = (asked: ModelRequest) => ({
  type: "message_start",
  message: {
    id: "msg_stand_in",
    type: "message",
    role: "assistant",
    model: asked.model,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: usageOf({ ...inputUsage(asked), output_tokens: 1 }),
  },
});

export const textStart = (index: number) => ({
  type: "content_block_start",
  index,
  content_block: { type: "text", text: "" },
});

/** A block that goes out whole. */
export function blockEvents(block: AssistantBlock, index: number): object[] {
  const delta = (change: object) => ({ type: "content_block_delta", index, delta: change });
  const whole = (content_block: object, ...deltas: object[]) => [
    { type: "content_block_start", index, content_block },
    ...deltas,
    { type: "content_block_stop", index },
  ];
  switch (block.type) {
    case "text":
      return whole({ type: "text", text: "" }, delta({ type: "text_delta", text: block.text }));
    case "thinking":
      return whole(
        { type: "thinking", thinking: "", signature: "" },
        delta({ type: "thinking_delta", thinking: block.thinking }),
        delta({ type: "signature_delta", signature: block.signature ?? "thought" }),
      );
    case "redacted_thinking":
      return whole(block);
    case "tool_use": {
      const { id, name, input, malformed } = block;
      const partial_json = malformed ?? JSON.stringify(input);
      return whole(
        { type: "tool_use", id, name, input: {} },
        delta({ type: "input_json_delta", partial_json }),
      );
    }
  }
}

export function endEvents(stop: ModelStop, usage: ModelUsage): object[] {
  const stop_details =
    stop.reason === "refusal"
      ? { type: "refusal", category: stop.category, explanation: stop.explanation }
      : null;
  return [
    {
      type: "message_delta",
      delta: { stop_reason: stop.reason, stop_details, stop_sequence: null },
      usage: usageOf(usage),
    },
    { type: "message_stop" },
  ];
}

const usageOf = (usage: ModelUsage) => ({
  input_tokens: usage.input_tokens,
  output_tokens: usage.output_tokens,
  cache_read_input_tokens: usage.cache_read_input_tokens,
  cache_creation_input_tokens: usage.cache_creation_5m_input_tokens + usage.cache_creation_1h_input_tokens,
  cache_creation: {
    ephemeral_5m_input_tokens: usage.cache_creation_5m_input_tokens,
    ephemeral_1h_input_tokens: usage.cache_creation_1h_input_tokens,
  },
});

const errors: Record<ModelFailure["kind"], { status: number; type: string }> = {
  overloaded: { status: 529, type: "overloaded_error" },
  rate_limited: { status: 429, type: "rate_limit_error" },
  unavailable: { status: 500, type: "api_error" },
  billing: { status: 402, type: "billing_error" },
  authentication: { status: 401, type: "authentication_error" },
  rejected: { status: 400, type: "invalid_request_error" },
  too_long: { status: 400, type: "invalid_request_error" },
  not_configured: { status: 404, type: "not_found_error" },
};

export const errorOf = ({ kind }: ModelFailure) => errors[kind];
