import { invalid } from "../../protocol/errors.ts";
import type { CountBody, MessageBody, MessageParam } from "../../protocol/messages.ts";
import type {
  AnswerOptions,
  AssistantBlock,
  ContentBlock,
  Effort,
  ModelMessage,
  ModelRequest,
  UserBlock,
} from "../model.ts";
import { unsealed } from "./seal.ts";

type Content<Role extends MessageParam["role"]> = Exclude<
  Extract<MessageParam, { role: Role }>["content"],
  string
>[number];
type Media = Extract<Content<"user">, { type: "image" | "document" }>;

/** A request of the Messages API in our own form. Throws a 400 that names the path of what has no place in it. */
export function modelRequestOf(body: MessageBody | CountBody): ModelRequest {
  const { output_config, tools = [], tool_choice } = body;
  const messages = conversationOf(body.messages);
  if (tool_choice?.type === "tool" && !tools.some(({ name }) => name === tool_choice.name))
    throw invalid(`tool_choice.name: "${tool_choice.name}" is not one of tools`);
  const effort = output_config?.effort ?? effortOf(body.thinking);
  const schema = output_config?.format?.schema;
  const options = optionsOf(body);
  return {
    model: body.model,
    effort,
    speed: "standard",
    system: textOf(body.system ?? ""),
    tools: tools.map(({ name, description = "", input_schema, strict }) => ({
      name,
      description,
      input_schema,
      ...(strict !== undefined && { strict }),
    })),
    messages,
    attempt: 0,
    options,
    ...(schema && { answer: { name: "answer", schema, tokens_max: options.tokens_max } }),
  };
}

function optionsOf(body: MessageBody | CountBody): AnswerOptions {
  const { tool_choice, thinking } = body;
  const asked = "max_tokens" in body ? body : null;
  return {
    tokens_max: asked?.max_tokens ?? 1,
    ...(asked?.stop_sequences?.length && { stop_sequences: asked.stop_sequences }),
    ...(asked?.temperature !== undefined && { temperature: asked.temperature }),
    ...(asked?.top_p !== undefined && { top_p: asked.top_p }),
    ...(asked?.top_k !== undefined && { top_k: asked.top_k }),
    ...(tool_choice && { tool_choice }),
    ...(thinking?.type === "disabled" && { thinking: "off" as const }),
  };
}

/** Only Claude thinks by the token. */
function effortOf(thinking: CountBody["thinking"]): Effort | null {
  if (thinking?.type !== "enabled") return null;
  if (thinking.budget_tokens <= 4_096) return "low";
  return thinking.budget_tokens <= 16_384 ? "medium" : "high";
}

const textOf = (content: string | { text: string }[]): string =>
  typeof content === "string" ? content : content.map(({ text }) => text).join("\n\n");

/** Messages of one role that follow each other are one. */
function conversationOf(sent: MessageParam[]): ModelMessage[] {
  const calls = new Set<string>();
  const messages: ModelMessage[] = [];
  for (const [i, param] of sent.entries()) {
    const path = `messages.${i}`;
    const last = messages.at(-1);
    switch (param.role) {
      case "system": {
        if (last?.role !== "user")
          throw invalid(`${path}: system text may only follow what the user says or a tool's result`);
        const text = textOf(param.content);
        if (text !== "") messages.push({ role: "system", content: [{ type: "text", text }] });
        break;
      }
      case "assistant": {
        if (!last) throw invalid(`${path}.role: must be "user" in the first message`);
        const content = assistantBlocks(param.content);
        for (const block of content) if (block.type === "tool_use") calls.add(block.id);
        if (last.role === "assistant") last.content.push(...content);
        else messages.push({ role: "assistant", content });
        break;
      }
      case "user": {
        const content = userBlocks(param.content, path, calls);
        if (last?.role === "user") last.content.push(...content);
        else messages.push({ role: "user", content });
      }
    }
  }
  if (messages.at(-1)?.role === "assistant")
    throw invalid("messages: must end with what the user says: this model does not go on with an answer");
  return messages;
}

function userBlocks(
  content: string | Content<"user">[],
  path: string,
  calls: ReadonlySet<string>,
): UserBlock[] {
  if (typeof content === "string") return [{ type: "text", text: content }];
  return content.map((block, i): UserBlock => {
    const place = `${path}.content.${i}`;
    if (block.type !== "tool_result") return contentBlock(block, place);
    const { tool_use_id, content: result = [], is_error = false } = block;
    if (!calls.has(tool_use_id)) throw invalid(`${place}.tool_use_id: no call before it has this id`);
    const blocks: Parameters<typeof contentBlock>[0][] =
      typeof result === "string" ? [{ type: "text", text: result }] : result;
    const told = blocks.map((inner, j) => contentBlock(inner, `${place}.content.${j}`));
    return { type: "tool_result", tool_use_id, content: told, is_error };
  });
}

function contentBlock(block: Exclude<Content<"user">, { type: "tool_result" }>, path: string): ContentBlock {
  switch (block.type) {
    case "text":
      return { type: "text", text: block.text };
    case "search_result": {
      const { title, source, content } = block;
      return {
        type: "search_result",
        title,
        source,
        content: content.map(({ text }) => text),
        citations: false,
      };
    }
    case "image":
      return { type: "image", source: bytesOf(block.source, path) };
    case "document":
      return {
        type: "document",
        source: bytesOf(block.source, path),
        title: block.title ?? null,
        context: block.context ?? null,
      };
  }
}

function bytesOf<Source extends Media["source"]>(
  source: Source,
  path: string,
): Exclude<Source, { type: "file" }> {
  if (source.type === "file")
    throw invalid(`${path}.source: this model cannot be given a file by its id; send its bytes`);
  return source as Exclude<Source, { type: "file" }>;
}

/** What a vendor wants back with a call comes in the sealed block before it. */
function assistantBlocks(content: string | Content<"assistant">[]): AssistantBlock[] {
  if (typeof content === "string") return [{ type: "text", text: content }];
  const blocks: AssistantBlock[] = [];
  for (const [i, block] of content.entries()) {
    const before = content[i - 1];
    switch (block.type) {
      case "text":
        blocks.push({ type: "text", text: block.text });
        break;
      case "thinking": {
        const { thinking, signature } = block;
        const vendor = unsealed(signature);
        blocks.push(
          vendor
            ? { type: "thinking", thinking, signature: null, vendor }
            : { type: "thinking", thinking, signature: signature || null },
        );
        break;
      }
      case "redacted_thinking":
        if (!unsealed(block.data)) blocks.push({ type: "redacted_thinking", data: block.data });
        break;
      case "tool_use": {
        const { id, name, input } = block;
        const vendor = before?.type === "redacted_thinking" ? unsealed(before.data) : null;
        blocks.push({ type: "tool_use", id, name, input, ...(vendor && { vendor }) });
      }
    }
  }
  return blocks;
}
