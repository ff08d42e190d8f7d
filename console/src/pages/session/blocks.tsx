import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import type { FileMetadata } from "../../../../src/protocol/files.ts";
import { oneOptions } from "../../api/resources.ts";
import { base64Bytes, imageHeadBytes, mayShow } from "../../format/image-size.ts";
import { bytes } from "../../format/number.ts";
import { fromTerminal, shortId, visible } from "../../format/text.ts";
import { cx } from "../../ui/cx.ts";
import { LongText } from "./long-text.tsx";
import { Markdown } from "./markdown.tsx";

type Source =
  | { type: "base64"; media_type: string; data: string }
  | { type: "url"; url: string }
  | { type: "text"; media_type?: string; data: string }
  | { type: "file"; file_id: string };

interface Block {
  type: string;
  text?: string;
  /** Where the bytes are, or, of a search result, its address. */
  source?: Source | string;
  title?: string | null;
  content?: readonly Block[];
}

/** Text of the agent: the little of Markdown that helps reading. */
export function Prose({ text, live = false }: { text: string; live?: boolean }) {
  return (
    <div
      className={cx(
        live &&
          "after:ml-0.5 after:inline-block after:h-4 after:w-1.5 after:animate-pulse after:bg-accent after:align-text-bottom",
      )}
    >
      <Markdown text={text} />
    </div>
  );
}

/** `prose`: an agent's. `plain`: a person's. `output`: a program's, for a terminal perhaps. */
type Look = "prose" | "plain" | "output";

/** Content of a message or a result. Whatever it holds is shown as data: nothing of it is run, and nothing is loaded from elsewhere. */
export function Blocks({ content, look = "prose" }: { content: readonly Block[]; look?: Look }) {
  return (
    <div className="space-y-2" dir="auto">
      {content.map((block, n) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: blocks have no ids, and never move
        <BlockView key={n} block={block} look={look} />
      ))}
    </div>
  );
}

const shownImages = new Set(["image/png", "image/jpeg", "image/gif", "image/webp"]);

function BlockView({ block, look }: { block: Block; look: Look }) {
  if (block.type === "text" && typeof block.text === "string") return <Text text={block.text} look={look} />;
  const { source } = block;
  if (typeof source === "string")
    return (
      <div>
        {visible(block.title ?? "")} <span className="text-muted">{visible(source)}</span>
        <Blocks content={block.content ?? []} look="plain" />
      </div>
    );
  if (block.type === "image" && source?.type === "base64" && shownImages.has(source.media_type))
    return <Picture media_type={source.media_type} data={source.data} />;
  if (source?.type === "text")
    return (
      <details className="rounded border border-line px-2 py-1">
        <summary className="text-muted">{visible(block.title ?? "document")}</summary>
        <Text text={source.data} look="plain" />
      </details>
    );
  return (
    <div className="w-fit max-w-full rounded border border-line px-2 py-1 break-words text-muted">
      {block.type === "redacted" ? "withheld by the model's provider" : block.type}
      {block.title && ` · ${visible(block.title)}`}
      {source?.type === "file" && <FileName id={source.file_id} titled={Boolean(block.title)} />}
      {source?.type === "base64" && ` · ${visible(source.media_type)}, ${bytes(source.data.length * 0.75)}`}
      {source?.type === "url" && ` · ${visible(source.url)}`}
    </div>
  );
}

function Text({ text, look }: { text: string; look: Look }) {
  const shown = useMemo(() => (look === "output" ? fromTerminal(text) : text), [text, look]);
  if (look === "prose") return <Prose text={text} />;
  return (
    <div className="break-words whitespace-pre-wrap">
      <LongText text={shown} />
    </div>
  );
}

/** In the page itself: what is behind an address of somebody else is not loaded. */
function Picture({ media_type, data }: { media_type: string; data: string }) {
  const fits = useMemo(() => mayShow(base64Bytes(data, imageHeadBytes)), [data]);
  if (!fits)
    return (
      <div className="w-fit rounded border border-line px-2 py-1 text-muted">
        {media_type}, {bytes(data.length * 0.75)}: too large to be shown
      </div>
    );
  return (
    <img
      src={`data:${media_type};base64,${data}`}
      alt="Attached"
      loading="lazy"
      decoding="async"
      className="max-h-96 max-w-full rounded border border-line object-contain"
    />
  );
}

/** The name, where the file is still there. */
function FileName({ id, titled }: { id: string; titled: boolean }) {
  const { data } = useQuery({
    ...oneOptions<FileMetadata>(`/v1/files/${encodeURIComponent(id)}`),
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
  });
  if (!data) return <span className="font-mono text-xs"> · {visible(shortId(id))}</span>;
  return (
    <>
      {!titled && ` · ${visible(data.filename)}`} · {bytes(data.size_bytes)}
    </>
  );
}
