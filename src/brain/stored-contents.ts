import type { Readable } from "node:stream";
import { BlobMissing } from "../files/store.ts";
import { withinLimits } from "../models/media-limits.ts";
import type { ContentBlock, ModelMessage, ModelRequest, UserBlock } from "../models/model.ts";

/** What files hold that a conversation names, put into the requests to models. */
export interface StoredContents {
  /** The request with all of it, but what is too much for one request. Throws when the file store cannot be read. */
  filled(request: ModelRequest): Promise<ModelRequest>;
}

/** Content never changes, so what was read once is kept, the longest unused forgotten first. */
export function createStoredContents(
  open: (sha256: string) => Promise<Readable>,
  chars_max: number,
): StoredContents {
  const kept = new Map<string, string>();
  let chars = 0;

  async function read(sha256: string): Promise<string | null> {
    const known = kept.get(sha256);
    kept.delete(sha256);
    const data = known ?? (await base64Of(open, sha256));
    if (data === null) return null;
    kept.set(sha256, data);
    if (known === undefined) chars += data.length;
    for (const [oldest, text] of kept) {
      if (chars <= chars_max) break;
      kept.delete(oldest);
      chars -= text.length;
    }
    return data;
  }

  return {
    async filled(request) {
      const hashes = request.messages.flatMap(storedIn);
      if (hashes.length === 0) return request;
      const messages = withinLimits(request.messages);
      const found = new Map<string, string | null>();
      for (const sha256 of messages.flatMap(storedIn))
        if (!found.has(sha256)) found.set(sha256, await read(sha256));
      return { ...request, messages: messages.map((message) => withContents(message, found)) };
    },
  };
}

/** Null where the store works and does not have it: then nothing will bring it back. */
async function base64Of(open: (sha256: string) => Promise<Readable>, sha256: string): Promise<string | null> {
  try {
    const content = await open(sha256);
    return Buffer.concat(await content.toArray()).toString("base64");
  } catch (error) {
    if (error instanceof BlobMissing) return null;
    throw error;
  }
}

function storedIn({ role, content }: ModelMessage): string[] {
  if (role !== "user") return [];
  return content
    .flatMap((block) => (block.type === "tool_result" ? block.content : [block]))
    .flatMap((block) => storedOf(block)?.sha256 ?? []);
}

function storedOf(block: ContentBlock) {
  if (block.type !== "image" && block.type !== "document") return undefined;
  return block.source.type === "base64" ? block.source.stored : undefined;
}

function withContents(message: ModelMessage, found: ReadonlyMap<string, string | null>): ModelMessage {
  if (storedIn(message).length === 0 || message.role !== "user") return message;
  const fill = (block: ContentBlock): ContentBlock => filledBlock(block, found);
  return {
    role: "user",
    content: message.content.map(
      (block): UserBlock =>
        block.type === "tool_result" ? { ...block, content: block.content.map(fill) } : fill(block),
    ),
  };
}

function filledBlock(block: ContentBlock, found: ReadonlyMap<string, string | null>): ContentBlock {
  const stored = storedOf(block);
  if (!stored || (block.type !== "image" && block.type !== "document") || block.source.type !== "base64")
    return block;
  const data = found.get(stored.sha256);
  if (!data)
    return {
      type: "text",
      text: `[The ${block.type} that was here is not in the server's file store any more.]`,
    };
  return { ...block, source: { type: "base64", media_type: block.source.media_type, data } };
}
