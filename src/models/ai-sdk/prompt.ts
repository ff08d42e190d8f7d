import type {
  LanguageModelV4FilePart,
  LanguageModelV4Message,
  LanguageModelV4TextPart,
  LanguageModelV4ToolResultPart,
  SharedV4ProviderOptions,
} from "@ai-sdk/provider";
import type {
  AssistantBlock,
  ContentBlock,
  ModelMessage,
  ModelRequest,
  ToolResultBlock,
  UserBlock,
  VendorData,
} from "../model.ts";
import { hasText, toolName, withoutLastThoughts } from "../sendable.ts";

/** What a vendor takes in a conversation. */
export interface Accepts {
  /** System text in the midst of it: as such, or as text of the user. */
  system_messages: "kept" | "user_text";
  /** Images and documents of a tool's result: in it, or in a user's message after all results. */
  result_media: "in_result" | "after";
  pdf_urls: boolean;
  /** Changes an id that another vendor gave a call into one that is taken here. */
  callId(id: string): string;
}

type UserPart = LanguageModelV4TextPart | LanguageModelV4FilePart;
type AssistantPart = Extract<LanguageModelV4Message, { role: "assistant" }>["content"][number];

/** Pure, and message by message: each request of a session extends the one before it. */
export function promptOf(
  { system, messages }: Pick<ModelRequest, "system" | "messages">,
  provider: string,
  accepts: Accepts,
): LanguageModelV4Message[] {
  const names = toolNames(messages);
  const conversation = messages.flatMap((message) => messagesOf(message, names, provider, accepts));
  return joined(hasText(system) ? [{ role: "system", content: system }, ...conversation] : conversation);
}

function messagesOf(
  message: ModelMessage,
  names: Map<string, string>,
  provider: string,
  accepts: Accepts,
): LanguageModelV4Message[] {
  switch (message.role) {
    case "system":
      return systemMessage(message.content.map(({ text }) => text).join("\n\n"), accepts);
    case "assistant": {
      const content = withoutLastThoughts(message.content).flatMap((block) =>
        assistantParts(block, provider, accepts),
      );
      return content.length > 0 ? [{ role: "assistant", content }] : [];
    }
    case "user":
      return userMessages(message.content, names, accepts);
  }
}

/** Users' messages that meet become one: some vendors want the roles to take turns. */
function joined(messages: LanguageModelV4Message[]): LanguageModelV4Message[] {
  const result: LanguageModelV4Message[] = [];
  for (const message of messages) {
    const last = result.at(-1);
    if (last?.role === "user" && message.role === "user")
      result[result.length - 1] = { role: "user", content: [...last.content, ...message.content] };
    else result.push(message);
  }
  return result;
}

function systemMessage(text: string, { system_messages }: Accepts): LanguageModelV4Message[] {
  if (!hasText(text)) return [];
  if (system_messages === "kept") return [{ role: "system", content: text }];
  return [{ role: "user", content: [{ type: "text", text: `<system>\n${text}\n</system>` }] }];
}

const toolNames = (messages: ModelMessage[]): Map<string, string> =>
  new Map(
    messages.flatMap(({ role, content }) =>
      role === "assistant"
        ? content.flatMap((block) =>
            block.type === "tool_use" ? [[block.id, toolName(block.name)] as const] : [],
          )
        : [],
    ),
  );

/** Results come right behind their calls, and then what the user says. */
function userMessages(
  content: UserBlock[],
  names: Map<string, string>,
  accepts: Accepts,
): LanguageModelV4Message[] {
  const results = content.filter((block) => block.type === "tool_result");
  const said = content.flatMap((block) =>
    block.type === "tool_result" ? mediaAfter(block, accepts) : contentParts(block, accepts),
  );
  return [
    ...(results.length > 0
      ? [{ role: "tool" as const, content: results.map((block) => resultPart(block, names, accepts)) }]
      : []),
    ...(said.length > 0 ? [{ role: "user" as const, content: said }] : []),
  ];
}

function resultPart(
  { tool_use_id, content, is_error }: ToolResultBlock,
  names: Map<string, string>,
  accepts: Accepts,
): LanguageModelV4ToolResultPart {
  const parts = content.flatMap((block) => contentParts(block, accepts));
  const texts = parts.flatMap((part) => (part.type === "text" ? [part.text] : []));
  const media = parts.filter((part) => part.type === "file");
  const text = texts.join("\n");
  const about = {
    type: "tool-result",
    toolCallId: accepts.callId(tool_use_id),
    toolName: names.get(tool_use_id) ?? "unknown",
  } as const;
  if (media.length === 0)
    return { ...about, output: { type: is_error ? "error-text" : "text", value: text } };
  if (accepts.result_media === "after")
    return { ...about, output: { type: "text", value: [...texts, mediaFollows].join("\n") } };
  const told = text === "" ? [] : [{ type: "text" as const, text }];
  return { ...about, output: { type: "content", value: [...told, ...media] } };
}

const mediaFollows = "[The images and documents of this result follow in the next message.]";

function mediaAfter({ content }: ToolResultBlock, accepts: Accepts): UserPart[] {
  if (accepts.result_media === "in_result") return [];
  return content.flatMap((block) => contentParts(block, accepts)).filter((part) => part.type === "file");
}

function contentParts(block: ContentBlock, accepts: Accepts): UserPart[] {
  switch (block.type) {
    case "text":
      return hasText(block.text) ? [{ type: "text", text: block.text }] : [];
    case "image":
      return [mediaPart(block.source, "image/jpeg")];
    case "document":
      return documentParts(block, accepts);
    case "search_result": {
      const text = [block.title, block.source, ...block.content].filter(hasText).join("\n");
      return text === "" ? [] : [{ type: "text", text }];
    }
  }
}

function documentParts(
  { source, title, context }: Extract<ContentBlock, { type: "document" }>,
  { pdf_urls }: Accepts,
): UserPart[] {
  const about = [title, context].filter((text) => text && hasText(text)).join("\n");
  const heading: UserPart[] = about === "" ? [] : [{ type: "text", text: about }];
  if (source.type === "text") return [...heading, { type: "text", text: source.data }];
  if (source.type === "url")
    return [
      ...heading,
      pdf_urls
        ? mediaPart(source, "application/pdf")
        : { type: "text", text: `[A document that cannot be shown here: ${source.url}]` },
    ];
  const text = source.media_type.startsWith("text/")
    ? Buffer.from(source.data, "base64").toString("utf8")
    : null;
  return [...heading, text === null ? mediaPart(source, source.media_type) : { type: "text", text }];
}

type MediaSource = Extract<ContentBlock, { type: "image" }>["source"];

/** A URL does not say what it leads to, and most vendors want to know. */
function mediaPart(source: MediaSource, otherwise: string): LanguageModelV4FilePart {
  if (source.type === "base64")
    return { type: "file", mediaType: source.media_type, data: { type: "data", data: source.data } };
  const url = new URL(source.url);
  const [, extension = ""] = /\.(\w+)$/.exec(url.pathname.toLowerCase()) ?? [];
  return { type: "file", mediaType: imageTypes[extension] ?? otherwise, data: { type: "url", url } };
}

const imageTypes: Record<string, string> = {
  png: "image/png",
  gif: "image/gif",
  webp: "image/webp",
  pdf: "application/pdf",
};

/** Thoughts go back only to whom they are from. */
function assistantParts(block: AssistantBlock, provider: string, { callId }: Accepts): AssistantPart[] {
  switch (block.type) {
    case "text":
      return hasText(block.text)
        ? [{ type: "text", text: block.text, ...given(block.vendor, provider) }]
        : [];
    case "thinking":
      return block.vendor?.provider === provider
        ? [{ type: "reasoning", text: block.thinking, ...given(block.vendor, provider) }]
        : [];
    case "redacted_thinking":
      return [];
    case "tool_use": {
      const { id, name, input } = block;
      const about = { toolCallId: callId(id), toolName: toolName(name) };
      return [{ type: "tool-call", ...about, input, ...given(block.vendor, provider) }];
    }
  }
}

/** As the SDK gave it to us when the block came. */
const given = (
  vendor: VendorData | undefined,
  provider: string,
): { providerOptions?: SharedV4ProviderOptions } =>
  vendor?.provider === provider && vendor.data !== null ? { providerOptions: JSON.parse(vendor.data) } : {};
