import { visible } from "../../format/text.ts";
import { cx } from "../../ui/cx.ts";
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

/** Content of a message or a result. Whatever it holds is shown as data: nothing of it is run, and nothing is loaded from elsewhere. */
export function Blocks({ content, plain = false }: { content: readonly Block[]; plain?: boolean }) {
  return (
    <div className="space-y-2">
      {content.map((block, n) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: blocks have no ids, and never move
        <BlockView key={n} block={block} plain={plain} />
      ))}
    </div>
  );
}

const shownImages = new Set(["image/png", "image/jpeg", "image/gif", "image/webp"]);

function BlockView({ block, plain }: { block: Block; plain: boolean }) {
  if (block.type === "text" && typeof block.text === "string")
    return plain ? (
      <div className="break-words whitespace-pre-wrap">{visible(block.text)}</div>
    ) : (
      <Prose text={block.text} />
    );
  const { source } = block;
  if (typeof source === "string")
    return (
      <div>
        {visible(block.title ?? "")} <span className="text-muted">{visible(source)}</span>
        <Blocks content={block.content ?? []} plain />
      </div>
    );
  if (block.type === "image" && source?.type === "base64" && shownImages.has(source.media_type))
    return (
      <img
        src={`data:${source.media_type};base64,${source.data}`}
        alt="Attached"
        loading="lazy"
        decoding="async"
        className="max-h-96 max-w-full rounded border border-line object-contain"
      />
    );
  return (
    <div className="w-fit rounded border border-line px-2 py-1 text-muted">
      {block.type}
      {block.title && ` · ${visible(block.title)}`}
      {source?.type === "file" && ` · ${source.file_id}`}
      {source?.type === "url" && ` · ${visible(source.url)}`}
    </div>
  );
}
