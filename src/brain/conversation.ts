import type { BodyOf, NamedFile } from "../log/entry.ts";
import type { BinarySource, ContentBlock, ModelMessage, UserBlock } from "../models/model.ts";

/**
 * The conversation as the model sees it: user and assistant take turns, and system text comes last in a user's turn. The
 * array is changed, its messages are replaced.
 */

/** Tool results and user text that follow each other are one message. They go before system text that came with it. */
export function addUserBlocks(messages: ModelMessage[], blocks: UserBlock[]): void {
  const system = messages.at(-1)?.role === "system" ? messages.pop() : undefined;
  const last = messages.at(-1);
  if (last?.role === "user")
    messages[messages.length - 1] = { ...last, content: [...last.content, ...blocks] };
  else messages.push({ role: "user", content: blocks });
  if (system) messages.push(system);
}

export function addSystemTexts(messages: ModelMessage[], texts: string[]): void {
  const content = texts.filter((text) => text !== "").map((text) => ({ type: "text" as const, text }));
  const last = messages.at(-1);
  if (content.length === 0) return;
  if (last?.role === "system")
    messages[messages.length - 1] = { ...last, content: [...last.content, ...content] };
  else messages.push({ role: "system", content });
}

/**
 * A provider that refuses a request for what an image or document in it is would refuse every later one too: those that
 * have come since the model's last answer are left out from now on. Where none have, it is all of them: what is behind a
 * URL may be gone by now, and another model may not read what the one before it did.
 */
export function leaveOutMedia(messages: ModelMessage[]): void {
  const newest = messages.findLastIndex(({ role }) => role !== "system");
  const first = messages.slice(newest).some(hasMedia) ? newest : 0;
  for (const [i, message] of messages.entries()) {
    if (i >= first && message.role === "user" && hasMedia(message)) messages[i] = withoutMedia(message);
  }
}

const isMedia = (block: UserBlock) => block.type === "image" || block.type === "document";

const hasMedia = ({ role, content }: ModelMessage): boolean =>
  role === "user" &&
  content.some((block) => (block.type === "tool_result" ? block.content.some(isMedia) : isMedia(block)));

const withoutMedia = ({ content }: Extract<ModelMessage, { role: "user" }>): ModelMessage => ({
  role: "user",
  content: content.map((block) =>
    block.type === "tool_result"
      ? { ...block, content: block.content.map(wordForMedia) }
      : wordForMedia(block),
  ),
});

export const wordForMedia = <Block extends UserBlock>(
  block: Block,
): Block | { type: "text"; text: string } =>
  isMedia(block)
    ? { type: "text", text: `[The ${block.type} was left out: the model's provider refused it.]` }
    : block;

type ClientBlock = BodyOf<"user.message">["content"][number] | BodyOf<"agent.tool_result">["content"][number];

/** A redacted block carries nothing. */
export function contentForModel(
  block: ClientBlock,
  files: Readonly<Record<string, NamedFile>>,
): ContentBlock[] {
  switch (block.type) {
    case "text":
      return block.text === "" ? [] : [{ type: "text", text: block.text }];
    case "image":
      return sourceOf(block.source, files).map((source) => ({ type: "image", source }));
    case "document": {
      const { title = null, context = null } = block;
      return sourceOf(block.source, files).map((source) => ({ type: "document", source, title, context }));
    }
    case "search_result": {
      const { title, source, content, citations } = block;
      const texts = content.map((part) => part.text);
      return [{ type: "search_result", title, source, content: texts, citations: citations.enabled }];
    }
    case "redacted":
      return [];
  }
}

/** What a file holds is put in when a model is asked. */
function sourceOf<Source extends { type: string }>(
  source: Source | FileSource,
  files: Readonly<Record<string, NamedFile>>,
): (Exclude<Source, FileSource> | StoredSource)[] {
  if (!isFile(source)) return [source as Exclude<Source, FileSource>];
  const file = files[source.file_id];
  if (!file) return [];
  const { media_type, ...stored } = file;
  return [{ type: "base64", media_type, data: "", stored }];
}

interface FileSource {
  type: "file";
  file_id: string;
}
type StoredSource = Extract<BinarySource, { type: "base64" }>;

const isFile = (source: { type: string }): source is FileSource => source.type === "file";
