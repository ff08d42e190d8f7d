import type Anthropic from "@anthropic-ai/sdk";
import { withinLimits } from "../media-limits.ts";
import type {
  AssistantBlock,
  ContentBlock,
  ModelMessage,
  ModelRequest,
  ToolResultBlock,
  UserBlock,
} from "../model.ts";
import { hasText, toolName, wellFormed, withoutLastThoughts } from "../sendable.ts";
import { generationOf, takesSystemMessages } from "../traits.ts";
import { searchParams } from "./search.ts";

type Params = Anthropic.MessageCreateParamsStreaming;
type Block = Anthropic.ContentBlockParam;
type Message = { role: "user" | "assistant" | "system"; content: Block[] };

const cached = { cache_control: { type: "ephemeral" } } as const;

/** Pure: the same request gives the same bytes, and each request of a session extends the one before it. */
export function messageParams(request: ModelRequest): Params {
  const model = request.model.replace(/^anthropic\//, "");
  const traits = traitsOf(model);
  const { system, tools, answer, search } = request;
  const output = {
    ...(traits.effort && request.effort ? { effort: request.effort } : {}),
    ...(traits.schema && answer ? { format: { type: "json_schema" as const, schema: answer.schema } } : {}),
  };
  const messages = withinLimits(request.messages);
  const citing = mayCite(messages);
  const sent = messages.flatMap((message) => messageOf(message, citing));
  const takesSystem = takesSystemMessages(model);
  const params: Params = {
    model,
    max_tokens: Math.min(
      traits.output_tokens_max,
      (answer ?? search)?.tokens_max ?? Number.POSITIVE_INFINITY,
    ),
    stream: true,
    ...(traits.adaptive ? { thinking: { type: search ? "disabled" : "adaptive" } } : {}),
    ...(Object.keys(output).length > 0 ? { output_config: output } : {}),
    ...(request.speed === "fast" ? { speed: "fast" } : {}),
    ...(tools.length > 0 ? { tools: tools.map((tool, i) => toolOf(tool, i === tools.length - 1)) } : {}),
    ...(search ? searchParams(search) : {}),
    ...(hasText(system) ? { system: [{ type: "text", text: system, ...cached }] } : {}),
    messages: withBreakpoints(systemInPlace(systemLast(sent), takesSystem)) as Params["messages"],
  };
  return wellFormed(params);
}

/**
 * What a model takes. Output is capped at the model's own limit: a lower cap would only cut long answers, and
 * unused room costs nothing. Up to 4.5 thinking has a fixed budget, so those models answer without.
 */
function traitsOf(model: string): Traits {
  const generation = generationOf(model);
  const unknown = { output_tokens_max: every_model_tokens_max, adaptive: false, effort: true, schema: false };
  if (!generation) return unknown;
  const { family, number } = generation;
  if (number > 405) return { output_tokens_max: 128_000, adaptive: true, effort: true, schema: true };
  return {
    output_tokens_max: number === 405 ? 64_000 : every_model_tokens_max,
    adaptive: false,
    effort: number === 405 && family === "opus",
    schema: number === 405,
  };
}

interface Traits {
  output_tokens_max: number;
  adaptive: boolean;
  effort: boolean;
  /** Whether answers can be held to a JSON Schema. */
  schema: boolean;
}

/** What every model since Claude 4 can write: the cap for a model whose own limit is not known. */
const every_model_tokens_max = 32_000;

function toolOf(
  { name, description, input_schema }: ModelRequest["tools"][number],
  last: boolean,
): Anthropic.Tool {
  return {
    name,
    description,
    input_schema: { ...input_schema, type: "object" },
    ...(last ? cached : {}),
  };
}

/** Nothing where no block is left: the roles then meet, and the API joins them. */
function messageOf(message: ModelMessage, citing: boolean): Message[] {
  const content =
    message.role === "assistant"
      ? withoutLastThoughts(message.content).flatMap(assistantBlock)
      : message.content.flatMap((block) => userBlock(block, citing));
  return content.length > 0 ? [{ role: message.role, content }] : [];
}

/** System text may not stand before a user's message; they meet where nothing was left of the answer between them. */
function systemLast(messages: Message[]): Message[] {
  const placed: Message[] = [];
  for (const message of messages) {
    const last = placed.at(-1);
    if (last?.role !== "system" || message.role === "assistant") placed.push(message);
    else if (message.role === "user") placed.splice(-1, 0, message);
    else placed.splice(-1, 1, { ...last, content: [...last.content, ...message.content] });
  }
  return placed;
}

/**
 * System text may only follow a user's message; where nothing of that was left, or the model takes none, it takes the place
 * of a user's. The API joins what users say one after another.
 */
const systemInPlace = (messages: Message[], takesSystem: boolean): Message[] =>
  messages.map((message, i) =>
    message.role === "system" && !(takesSystem && messages[i - 1]?.role === "user")
      ? { ...message, role: "user" }
      : message,
  );

/**
 * One mark at the end, and one where the user's turn before ended, which is where the request before had it: a cache is looked
 * for only twenty blocks back, which many parallel calls exceed. What users say in several messages is one turn.
 */
function withBreakpoints(messages: Message[]): Message[] {
  const ends = messages.flatMap(({ role }, i) => {
    const next = messages.slice(i + 1).find((later) => later.role !== "system");
    return role === "user" && next?.role !== "user" ? [i] : [];
  });
  const marked = ends.slice(-2);
  return messages.map((message, i) => (marked.includes(i) ? markLast(message) : message));
}

function markLast({ role, content }: Message): Message {
  const last = content.at(-1);
  return last
    ? { role, content: [...content.slice(0, -1), { ...last, ...cached } as Block] }
    : { role, content };
}

/**
 * The API wants citations from all documents and search results of a request or from none. The first one decides, for what
 * comes later must not change what was sent before.
 */
function mayCite(messages: readonly ModelMessage[]): boolean {
  for (const { content } of messages) {
    for (const block of content.flatMap((part) => (part.type === "tool_result" ? part.content : [part]))) {
      if (block.type === "document") return false;
      if (block.type === "search_result") return block.citations;
    }
  }
  return false;
}

function userBlock(block: UserBlock, citing: boolean): Block[] {
  return block.type === "tool_result" ? [resultBlock(block, citing)] : contentBlock(block, citing);
}

/** The API takes nothing but text in the result of a call that failed, and wants some. */
function resultBlock(
  { tool_use_id, is_error, content }: ToolResultBlock,
  citing: boolean,
): Anthropic.ToolResultBlockParam {
  const sent = content.flatMap((block) => contentBlock(block, citing));
  const result = { type: "tool_result", tool_use_id: callId(tool_use_id) } as const;
  if (!is_error) return { ...result, content: sent, is_error };
  if (sent.length === 0) return { ...result, content: [failed], is_error };
  const onlyText = sent.every(({ type }) => type === "text");
  return onlyText
    ? { ...result, content: sent, is_error }
    : { ...result, content: [failed, ...sent], is_error: false };
}

/** Other vendors' ids, after whom this one is asked, hold more than the API takes. */
const callId = (id: string) => id.replace(/[^a-zA-Z0-9_-]/g, "_");

const failed: Anthropic.TextBlockParam = { type: "text", text: "The tool reported an error." };

const document_title_chars_max = 500;

type SentContent =
  | Anthropic.TextBlockParam
  | Anthropic.ImageBlockParam
  | Anthropic.DocumentBlockParam
  | Anthropic.SearchResultBlockParam;

/** The API refuses text without a visible character. */
function contentBlock(block: ContentBlock, citing: boolean): SentContent[] {
  switch (block.type) {
    case "text":
      return hasText(block.text) ? [{ type: "text", text: block.text }] : [];
    case "image":
      return [{ type: "image", source: block.source as Anthropic.ImageBlockParam["source"] }];
    case "document": {
      const { title, context } = block;
      return [
        {
          type: "document",
          source: documentSource(block.source),
          ...(title ? { title: title.slice(0, document_title_chars_max) } : {}),
          ...(context ? { context } : {}),
          ...(citing ? { citations: { enabled: true } } : {}),
        },
      ];
    }
    case "search_result":
      return searchResult(block, citing);
  }
}

/** A search result without a title is known by its source, and the other way round; one without text says nothing. */
function searchResult(
  block: Extract<ContentBlock, { type: "search_result" }>,
  citing: boolean,
): SentContent[] {
  const content = block.content.filter(hasText).map((text) => ({ type: "text" as const, text }));
  const [title = ""] = [block.title, block.source].filter(hasText);
  const [source = ""] = [block.source, block.title].filter(hasText);
  if (content.length === 0 || title === "") return content;
  return [{ type: "search_result", title, source, content, citations: { enabled: citing } }];
}

type DocumentSource = Extract<ContentBlock, { type: "document" }>["source"];

function documentSource(source: DocumentSource): Anthropic.DocumentBlockParam["source"] {
  switch (source.type) {
    case "text":
      return { type: "text", media_type: source.media_type, data: source.data };
    case "url":
      return { type: "url", url: source.url };
    case "base64":
      return source.media_type.startsWith("text/")
        ? {
            type: "text",
            media_type: "text/plain",
            data: Buffer.from(source.data, "base64").toString("utf8"),
          }
        : { type: "base64", media_type: source.media_type as "application/pdf", data: source.data };
  }
}

function assistantBlock(block: AssistantBlock): Block[] {
  switch (block.type) {
    case "text":
      return hasText(block.text) ? [{ type: "text", text: block.text }] : [];
    case "thinking": {
      const { thinking, signature } = block;
      return signature === null ? [] : [{ type: "thinking", thinking, signature }];
    }
    case "redacted_thinking":
      return [{ type: "redacted_thinking", data: block.data }];
    case "tool_use":
      return [{ type: "tool_use", id: callId(block.id), name: toolName(block.name), input: block.input }];
  }
}
